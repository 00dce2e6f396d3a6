import Machine
import NPUISA
import Support
import Tensors

/// What an instruction touches of a slice's SRAM, slices laid over each other: from the first to the last byte.
struct SRAMSpan {
  var read: [Range<Int64>] = []
  var written: Range<Int64> = 0..<0

  init(_ instruction: Instruction, window: Int64) {
    switch instruction.body {
    case .tensor(let tensor):
      read = [tensor.fetched, tensor.secondRead].filter { !$0.isEmpty }
      written = tensor.written
    case .dma(let copy):
      read = [copy.sramRead(window: window)].filter { !$0.isEmpty }
      written = copy.sramWritten(window: window)
    case .control: break
    }
  }
}

extension TensorInstruction {
  fileprivate var fetched: Range<Int64> {
    let packet = Int64(fetch.packetElements) * Int64(fetch.element.size)
    let steps = loops.filter { $0.kind == .time }.map { (Int64($0.size), Int64($0.fetchStride)) }
    return hull(Int64(fetch.base), packet, steps).clamped(to: 0..<Int64.max)
  }

  fileprivate var secondRead: Range<Int64> {
    guard let second else { return 0..<0 }
    let isLoad = accumulate.start == .load
    let elements = Int64(second.operand.isBroadcast ? 1 : shape.flitElements)
    let bytes = elements * (isLoad ? 8 : Int64(second.stream.element.size))
    let steps = shape.retained.map { (Int64(loops[$0].size), Int64(loops[$0].secondStride)) }
    let flits = shape.flitLoops(second.operand).map { (Int64($0.0), Int64($0.1)) }
    return hull(Int64(second.stream.base), bytes, steps + flits).clamped(to: 0..<Int64.max)
  }

  private func hull(_ base: Int64, _ bytes: Int64, _ loops: [(size: Int64, stride: Int64)]) -> Range<Int64> {
    var (low, high) = (base, base)
    for loop in loops {
      let reach = max(loop.size - 1, 0) * loop.stride
      if reach < 0 { low += reach } else { high += reach }
    }
    return low..<(high + bytes)
  }
}

extension DMAInstruction {
  /// The side that is read, by the same rule as `sramWritten`.
  fileprivate func sramRead(window: Int64) -> Range<Int64> {
    windows(ofSource: true, window: Int(window)).map {
      Int64($0.bytes.lowerBound)..<Int64($0.bytes.upperBound)
    } ?? 0..<0
  }
}
