import CKernels
import Machine
import NPUISA
import Tensors

extension TensorInstruction.Bound {
  /// The coordinate of a slice's first packet and element at indices 0. The strict walk has its own.
  func origin(of slice: Int) -> Int { Int(origin) + slice / Int(divisor) % Int(modulus) * Int(step) }
}

// Where a nest's packets lie, for runs that take them at once.
extension TensorPlan {
  /// Whether packets of i8 come to the contraction or the register file as they lie, from places that differ by multiples.
  func movesBytes(on machine: SliceMachine) -> Bool {
    guard machine.packetBytes == Int(FURC_NPU_UNIT), machine.slices * machine.sramBytesPerSlice < 1 << 31
    else {
      return false
    }
    return body.fetch.element == .i8 && body.fetch.table == nil && !body.fetch.isBroadcast
      && [.forward, .broadcast1].contains(body.exchange.kind)
  }

  /// Bytes from index to index of a loop in the SRAM of all slices.
  func byteStride(_ loop: Int, _ machine: SliceMachine) -> Int {
    switch body.loops[loop].kind {
    case .time: Int(body.loops[loop].fetchStride)
    case .ring1, .ring0: Int(body.exchange.inner) * machine.sramBytesPerSlice
    case .reuse: 0
    }
  }

  /// Σ idx · stride for all indices of some loops, in their order.
  static func offsets(_ sizes: [Int], _ strides: [Int]) -> [Int32] {
    var list: [Int32] = [0]
    for (size, stride) in zip(sizes, strides) {
      list = list.flatMap { base in (0..<size).map { base + Int32($0 * stride) } }
    }
    return list
  }

  /// By loop: packets from index to index, where the packets of all slices lie one behind the other.
  func packetStrides(_ packets: Int) -> [Int] {
    var strides = [Int](repeating: 0, count: sizes.count)
    var next = 1
    for loop in time.reversed() {
      strides[loop] = next
      next *= sizes[loop]
    }
    for (number, loop) in body.loops.enumerated() {
      switch loop.kind {
      case .ring1: strides[number] = Int(body.exchange.inner) * packets
      case .ring0: strides[number] = packets
      case .time, .reuse: break
      }
    }
    return strides
  }

  /// Where the first packet comes from that a slice receives.
  func firstSource(of slice: Int) -> (slice: Int, leaving: Int) {
    source(of: slice, [Int](repeating: 0, count: body.loops.count))
  }
}
