import KernelIR
import Support

/// Where the intermediate results of a graph of kernels lie in one block of memory: results whose lives do not
/// overlap share it. Made once; a run takes a block, or one that an earlier run gave back.
struct MemoryPlan: Sendable {
  /// Of every buffer that a run computes into the block, the first byte.
  let offsets: [Int?]
  let size: Int

  /// Kernels may load a whole register behind the last element.
  private static let slack = 64

  /// A buffer's life: from the node that computes it to the last one that reads it, views included.
  struct Life {
    let buffer: Int
    let bytes: Int
    let nodes: ClosedRange<Int>
  }

  /// - Parameter lives: in ascending order of their first nodes. - Parameter count: of all buffers.
  init(_ lives: [Life], count: Int) {
    var offsets = [Int?](repeating: nil, count: count)
    var allocator = IntervalAllocator(capacity: Int.max / 2, policy: .bestFit)
    var living: [(end: Int, offset: Int)] = []
    for life in lives {
      living.removeAll { end, offset in
        guard end < life.nodes.lowerBound else { return false }
        allocator.free(offset)
        return true
      }
      guard let offset = allocator.allocate(max(life.bytes, 1) + Self.slack, alignment: 64) else { continue }
      offsets[life.buffer] = offset
      living.append((life.nodes.upperBound, offset))
    }
    self.offsets = offsets
    size = allocator.highWater
  }
}
