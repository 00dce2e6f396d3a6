import KernelIR
import Support
import Tensors

/// How a kernel runs, and why that way.
public struct KernelChoice: Hashable, Sendable, CustomStringConvertible {
  /// The implementation: `contract i8`, `depthwise f32`, `map`, …
  public let name: String
  /// What about the kernel decided it.
  public let reason: String

  public init(_ name: String, _ reason: String) {
    self.name = name
    self.reason = reason
  }

  public var description: String { "\(name): \(reason)" }
}

/// What all kernels of a run share.
struct RunContext: Sendable {
  let threads: Int
  /// One of `FURC_CPU_*`.
  let level: Int32
  /// Where plans look for what others packed.
  var shared: PackedConstants?
}

/// A kernel made ready for operands of fixed layouts. Every element of the result is computed by one thread
/// in the order that the kernel defines, so that no number of threads changes a bit.
protocol KernelPlan: Sendable {
  var choice: KernelChoice { get }
  /// Of the result.
  var layout: Layout { get }
  /// Whether runs read the operand; what the plan took from a constant, they need not.
  func reads(_ operand: Int) -> Bool
  /// - Parameter arguments: one per operand, aligned for their element types.
  /// - Parameter result: memory for the whole result; all of it is written.
  func run(
    _ arguments: [UnsafeRawPointer], _ result: UnsafeMutableRawPointer, _ context: RunContext
  ) throws(Diagnostic)
}

extension KernelPlan {
  func reads(_ operand: Int) -> Bool { true }
}

/// Results without elements, or copies of nothing.
struct EmptyPlan: KernelPlan {
  let choice = KernelChoice("nothing", "the result has no elements")
  let layout: Layout

  func run(
    _ arguments: [UnsafeRawPointer], _ result: UnsafeMutableRawPointer, _ context: RunContext
  ) throws(Diagnostic) {}
}

extension RunContext {
  /// Calls `body` with the ranges of a partition of 0 ..< count into pieces of about `grain`, on the threads.
  /// - Throws: what the first failing piece threw.
  func forPieces(
    of count: Int, grain: Int, _ body: @Sendable (Range<Int>) throws(Diagnostic) -> Void
  ) throws(Diagnostic) {
    let pieces = (count + grain - 1) / grain
    // Waking a thread takes about as long as two pieces.
    guard threads > 1, pieces >= 4 else { return try body(0..<count) }
    _ = try Parallel.map(pieces, threads: threads) { (piece) throws(Diagnostic) in
      try body(piece * grain..<min((piece + 1) * grain, count))
    }
  }
}

/// Pointers that threads share although the compiler cannot see that they touch different elements.
struct SharedMemory: @unchecked Sendable {
  let arguments: [UnsafeRawPointer]
  let result: UnsafeMutableRawPointer
}

extension Kernel {
  /// The parallel axes by the layout of the result, outermost first.
  func ordered(by layout: Layout) -> [AxisID] {
    let parallel = axes(.parallel)
    return layout.order.map { parallel[$0] }
  }

  /// A layout of the result in which walking it walks `operand` too: axes by how far each moves in it.
  func layout(following operand: Operand, _ layout: Layout) -> Layout {
    let address = operand.address(layout, axes: axes.count)
    let parallel = axes(.parallel)
    // Axes that the operand does not have go outside of those that it has.
    let distance = parallel.map { axis in
      let step = Int(address.steps[axis.index].magnitude)
      return step == 0 || axes[axis].extent == 1 ? Int.max : step
    }
    let order = parallel.indices.sorted { (distance[$0], $1) > (distance[$1], $0) }
    return Layout(result.shape, order: order)
  }
}
