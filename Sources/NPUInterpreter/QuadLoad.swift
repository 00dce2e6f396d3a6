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

  /// Where they go, in the register file of a slice.
  func target(_ state: MachineState, _ slice: Int) -> UnsafeMutableRawPointer {
    UnsafeMutableRawPointer(state.quads(slice) + blocks.lowerBound * Int(FURC_NPU_BLOCK))
  }

  func run(_ plan: TensorPlan, _ state: MachineState, _ slice: Int, _ target: UnsafeMutableRawPointer) {
    let first = plan.first + plan.firstSource(of: slice).slice
    let source = UnsafePointer(
      (state.sram(first) + Int(plan.body.fetch.base)).assumingMemoryBound(to: UInt8.self))
    furc_npu_load_quads(
      source, offsets, units, Int64(units.count), target.assumingMemoryBound(to: UInt8.self))
  }
}
