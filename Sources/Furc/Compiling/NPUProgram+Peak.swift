import Machine
import NPUISA
import Support
import Tensors

extension NPUProgram {
  /// The bytes of a slice's SRAM within the intervals that instructions write, slices laid over each other.
  /// - Parameter window: the distance of two slices in the flat address space.
  func sramPeakBytes(window: Int64) -> Int {
    var written: [Range<Int64>] = []
    for code in [load, run] {
      guard let expanded = try? code.expanded() else { continue }
      for instruction in expanded.contexts.joined() {
        switch instruction.body {
        case .tensor(let tensor): written.append(tensor.written)
        case .dma(let copy): written.append(copy.sramWritten(window: window))
        case .control: continue
        }
      }
    }
    var (bytes, end): (Int64, Int64) = (0, 0)
    for range in written.sorted(by: { $0.lowerBound < $1.lowerBound }) where range.upperBound > end {
      bytes += range.upperBound - max(range.lowerBound, end)
      end = range.upperBound
    }
    return Int(bytes)
  }
}

extension TensorInstruction {
  /// From the first to the last byte that a commit writes in a slice's SRAM; nothing for other sinks.
  var written: Range<Int64> {
    guard case .commit(let commit) = sink, accumulate.finish != .keep else { return 0..<0 }
    let start = Int64(commit.base)
    return start..<max(start, writeEnd(commit))
  }

  /// Strides go up: what goes down lies before the base, which the compiler does not emit.
  private func writeEnd(_ commit: Commit) -> Int64 {
    let shape = shape
    var end = Int64(commit.base)
    for index in shape.retained {
      end += max(0, Int64(loops[index].commitStride)) * Int64(shape.outputSize(of: index, in: self) - 1)
    }
    if commit.transposeRows > 1 {
      let step = shape.retained.last.map { Int64(loops[$0].commitStride) } ?? 0
      end -= max(0, step) * Int64(commit.transposeRows - 1)
      end += max(0, Int64(commit.columnStride)) * Int64(max(commit.elements, 1) - 1)
      return end + Int64(commit.transposeRows) * Int64(commit.element.size)
    }
    for loop in shape.flitLoops(commit) { end += Int64(max(0, loop.1) * (loop.0 - 1)) }
    let isSpill = accumulate.finish == .spill
    return end
      + (isSpill ? Int64(shape.flitElements) * 8 : Int64(commit.elements) * Int64(commit.element.size))
  }
}

extension DMAInstruction {
  /// From the first to the last offset that the destination touches in any slice, where it is SRAM.
  func sramWritten(window: Int64) -> Range<Int64> {
    windows(ofSource: false, window: Int(window)).map {
      Int64($0.bytes.lowerBound)..<Int64($0.bytes.upperBound)
    } ?? 0..<0
  }
}
