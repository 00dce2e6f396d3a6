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

  /// Units of the last block, if that is not filled.
  private let rest: Int

  /// Nil for loads that do more than move bytes, and for such as begin within a block or leave units out.
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
    guard Int(base) % 8 == 0 else { return nil }
    var isFilled = [Bool](repeating: false, count: units.count)
    for unit in units {
      guard unit >= 0, Int(unit) < units.count, !isFilled[Int(unit)] else { return nil }
      isFilled[Int(unit)] = true
    }
    blocks = (Int(base) / 8)..<((Int(base) + units.count + 7) / 8)
    rest = units.count % 8
  }

  /// The blocks that a slice receives.
  func read(_ plan: TensorPlan, _ state: MachineState, _ slice: Int, _ staged: UnsafeMutableRawPointer) {
    let first = plan.first + plan.firstSource(of: slice).slice
    let source = UnsafePointer(
      (state.sram(first) + Int(plan.body.fetch.base)).assumingMemoryBound(to: UInt8.self))
    furc_npu_load_quads(
      source, offsets, units, Int64(units.count), staged.assumingMemoryBound(to: UInt8.self))
  }

  /// Puts them into the register file of a slice.
  func land(_ staged: UnsafeRawPointer, _ state: MachineState, _ slice: Int) {
    let whole = rest == 0 ? blocks : blocks.dropLast()
    let unit = Int(FURC_NPU_BLOCK)
    UnsafeMutableRawPointer(state.quads(slice) + blocks.lowerBound * unit).copyMemory(
      from: staged, byteCount: whole.count * unit)
    state.setQuads(slice, whole)
    guard rest > 0 else { return }
    let (last, block) = (
      blocks.upperBound - 1, (staged + whole.count * unit).assumingMemoryBound(to: UInt8.self)
    )
    if state.packQuads(slice, last) {
      furc_npu_copy_units(block, Int64(rest), state.quads(slice) + last * unit)
      return state.setQuads(slice, last..<last + 1)
    }
    // Beside units that are no bytes.
    withUnsafeTemporaryAllocation(of: UInt32.self, capacity: unit) { words in
      guard let base = words.baseAddress else { return }
      furc_npu_spread_quads(block, base)
      let bytes = rest * state.wordsPerUnit * 4
      UnsafeMutableRawPointer(state.registers(slice) + last * 8 * state.wordsPerUnit).copyMemory(
        from: base, byteCount: bytes)
    }
  }
}
