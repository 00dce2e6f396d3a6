import CKernels
import Machine
import NPUISA
import Support
import Tensors

/// A load of i8 weights into the register file as blocks that `furc_npu_contract_quads` takes as they are.
struct QuadLoad {
  /// By step of the nest: where its packet lies, in bytes from that of the first, and its unit, from the first on.
  private let offsets: [Int32]
  private let units: [Int32]
  let blocks: Range<Int>
  var stagedBytes: Int { blocks.count * Int(FURC_NPU_BLOCK) }

  /// Nil for loads that do more than move bytes, and for such as fill parts of blocks.
  init?(_ plan: TensorPlan, _ machine: SliceMachine) {
    let body = plan.body
    guard case .registerFile(let base) = body.sink, plan.movesBytes(on: machine), body.fetch.zeroPoint == 0,
      body.fetch.bounds.isEmpty, body.fetch.validLoop == 255, plan.packet == Int(FURC_NPU_UNIT),
      plan.fetchStaysInside
    else { return nil }
    let sources = plan.nest.map { plan.byteStride($0, machine) }
    let targets = plan.nest.map { Int(body.loops[$0].registerStride) }
    let sizes = plan.nest.map { plan.sizes[$0] }
    offsets = TensorPlan.offsets(sizes, sources)
    let units = TensorPlan.offsets(sizes, targets)
    self.units = units
    // Blocks filled whole, every unit once.
    guard Int(base) % 8 == 0, units.count % 8 == 0 else { return nil }
    var isFilled = [Bool](repeating: false, count: units.count)
    for unit in units {
      guard unit >= 0, Int(unit) < units.count, !isFilled[Int(unit)] else { return nil }
      isFilled[Int(unit)] = true
    }
    blocks = (Int(base) / 8)..<((Int(base) + units.count) / 8)
  }

  func run(_ plan: TensorPlan, _ state: MachineState, _ slice: Int, _ target: UnsafeMutableRawPointer) {
    let first = plan.first + plan.source(of: slice, [Int](repeating: 0, count: 8)).slice
    let source = UnsafePointer(
      (state.sram(first) + Int(plan.body.fetch.base)).assumingMemoryBound(to: UInt8.self))
    furc_npu_load_quads(
      source, offsets, units, Int64(units.count), target.assumingMemoryBound(to: UInt8.self))
  }
}

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
}
