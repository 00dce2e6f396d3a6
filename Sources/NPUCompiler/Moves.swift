import NPUISA
import Tensors

extension TensorInstruction {
  /// Whether elements only come to other places of SRAM: sub can do it as well as main.
  var isMove: Bool {
    guard accumulate.kind == .none, vector.program == nil, reducer.kind == .none, case .commit = sink else {
      return false
    }
    return true
  }

  /// Bytes between the first and the last that it may fetch, of those that are meant.
  func fetched(of bytes: Range<Int>) -> Range<Int> {
    Self.span(
      Int(fetch.base), loops.map { (Int($0.size), Int($0.fetchStride)) },
      Int(fetch.packetElements) * fetch.element.size
    ).clamped(to: bytes)
  }

  /// From the first to the last byte of packets at all indices of some loops.
  static func span(_ base: Int, _ loops: [(size: Int, stride: Int)], _ bytes: Int) -> Range<Int> {
    var (low, high) = (base, base + bytes)
    for loop in loops {
      let reach = (loop.size - 1) * loop.stride
      if reach < 0 { low += reach } else { high += reach }
    }
    return low..<high
  }
}
