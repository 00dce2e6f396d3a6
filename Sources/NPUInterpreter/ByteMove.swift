import CKernels
import Machine
import NPUISA
import Support
import Tensors

/// An instruction that only moves packets of integers, as they are, to places that it does not read: through the switch, within
/// slices, or to vector registers.
struct ByteMove {
  /// Bytes of a packet.
  private let packet: Int
  /// By step: where its packet lies, in bytes from the first of the slice that it comes from, and where it goes.
  private let offsets: [Int32]
  private let places: [Int32]
  /// Steps that come from a slice each in turn: all, or half of them.
  private let turn: Int
  /// By slice that packets come from: which steps are inside the bounds; empty where all are.
  private let presence: [Int]
  private let masks: [[UInt8]]

  /// Nil for what does more.
  init?(_ plan: TensorPlan, _ machine: SliceMachine) {
    let (body, exchange) = (plan.body, plan.body.exchange)
    let fetch = body.fetch
    guard body.accumulate.kind == .none, body.reducer.kind == .none, body.vector == .init(),
      let sink = Self.bytes(of: body), fetch.zeroPoint == 0, fetch.table == nil, !fetch.isBroadcast,
      fetch.outside == nil, fetch.validLoop == 255,
      fetch.bounds.allSatisfy({ $0.elementCoefficient == 0 }), plan.fetchStaysInside,
      plan.slices * machine.sramBytesPerSlice < 1 << 31
    else { return nil }
    // What comes from where depends on the slice alone, or on a ring, or on which half of the steps it is.
    switch exchange.kind {
    case .forward, .shift, .transpose: break
    case .broadcast1, .interTranspose: if !fetch.bounds.isEmpty { return nil }
    case .neighbours: if exchange.loop != 0 { return nil }
    case .broadcast01, .transposedBroadcast1: return nil
    }
    packet = plan.packet * plan.elementSize
    let sizes = plan.retained.map { plan.sizes[$0] }
    func list(_ stride: (Int) -> Int) -> [Int32] { TensorPlan.offsets(sizes, plan.retained.map(stride)) }
    offsets = list { plan.byteStride($0, machine) }
    places = list { Int(body.loops[$0].commitStride) * sink.unit }
    turn = exchange.kind == .neighbours ? offsets.count / 2 : offsets.count
    var known: [[Int]: Int] = [:]
    var masks: [[UInt8]] = []
    presence =
      fetch.bounds.isEmpty
      ? []
      : (0..<plan.slices).map { slice in
        let origins = fetch.bounds.map { $0.origin(of: slice) }
        if let number = known[origins] { return number }
        var mask = [UInt8](repeating: 1, count: sizes.reduce(1, *))
        for (bound, origin) in zip(fetch.bounds, origins) {
          // Coordinates need not fit 32 bits.
          var coordinates = [origin]
          for (loop, size) in zip(plan.retained, sizes) {
            let coefficient = Int(bound.coefficients[loop])
            coordinates = coordinates.flatMap { first in (0..<size).map { first + $0 * coefficient } }
          }
          for (step, place) in coordinates.enumerated()
          where place < Int(bound.low) || place >= Int(bound.high) { mask[step] = 0 }
        }
        known[origins] = masks.count
        masks.append(mask)
        return masks.count - 1
      }
    self.masks = masks
    if case .commit = body.sink {
      guard isDisjoint(plan, machine, reads: Int(fetch.base), writes: sink.base) else { return nil }
    }
  }

  /// Where packets go as they are: the first byte, and those to a unit of the strides; nil where they are changed.
  private static func bytes(of body: TensorInstruction) -> (base: Int, unit: Int)? {
    switch body.sink {
    case .commit(let commit):
      guard commit.element == body.fetch.element, [.i8, .u8, .i32].contains(commit.element),
        commit.transposeRows == 1, commit.elements == body.fetch.packetElements
      else { return nil }
      return (Int(commit.base), 1)
    case .vectorRegisters(let base): return body.fetch.element == .i32 ? (Int(base) * 4, 4) : nil
    case .registerFile, .tables: return nil
    }
  }

  /// Whether no byte that some slice writes is one that a slice reads.
  private func isDisjoint(_ plan: TensorPlan, _ machine: SliceMachine, reads: Int, writes: Int) -> Bool {
    guard plan.readsItsDestination else { return true }
    var isRead = [Bool](repeating: false, count: machine.sramBytesPerSlice)
    let walks = plan.time.map { (plan.sizes[$0], Int(plan.body.loops[$0].fetchStride)) }
    for offset in TensorPlan.offsets(walks.map(\.0), walks.map(\.1)) {
      for byte in 0..<packet { isRead[reads + Int(offset) + byte] = true }
    }
    return places.allSatisfy { place in
      (0..<packet).allSatisfy { !isRead[writes + Int(place) + $0] }
    }
  }

  /// Moves what a slice receives.
  func run(_ plan: TensorPlan, _ state: MachineState, _ slice: Int) {
    guard let sink = Self.bytes(of: plan.body) else { return }
    let target: UnsafeMutableRawPointer
    if case .commit = plan.body.sink {
      target = state.sram(plan.first + slice) + sink.base
    } else {
      target = state.vectors(plan.first + slice).raw + sink.base
    }
    var index = [Int](repeating: 0, count: plan.body.loops.count)
    for start in stride(from: 0, to: offsets.count, by: turn) {
      if start > 0 { index[0] = 1 }
      let source = plan.source(of: slice, index)
      var from = state.sram(plan.first + source.slice) + Int(plan.body.fetch.base)
      if let leaving = plan.shape.leaving {
        from += source.leaving * Int(plan.body.loops[leaving].fetchStride)
      }
      let count = Int64(turn)
      offsets.withUnsafeBufferPointer { offsets in
        places.withUnsafeBufferPointer { places in
          guard let offset = offsets.baseAddress, let place = places.baseAddress else { return }
          guard !presence.isEmpty else {
            return furc_npu_move_packets(
              from, offset + start, target, place + start, nil, count, Int32(packet))
          }
          masks[presence[source.slice]].withUnsafeBufferPointer { mask in
            furc_npu_move_packets(
              from, offset + start, target, place + start, mask.baseAddress.map { $0 + start }, count,
              Int32(packet))
          }
        }
      }
    }
  }
}
