import KernelIR
import Machine
import NPUISA
import Support
import Tensors

/// One tensor instruction, element by element as Docs/npu-machine.md says it, and counted on the way. Reads happen
/// now; what it would write is handed back.
struct StrictTensorWalk {
  let plan: TensorPlan
  let strict: StrictMachine
  let who: Issuer
  var counts = StageCounts()
  var counters = RunCounters()
  var writes: [PendingWrite] = []

  /// An element behind the adapter: i32 or the bits of an f32.
  struct Element {
    var bits: UInt32 = 0
    var isSkipped = true
  }

  let state: MachineState
  let machine: SliceMachine
  let body: TensorInstruction
  /// Retained loops from the outermost reduced one on: they number the groups of cells.
  let groups: [Int]
  let reuses: [Int]
  let sum: TensorPlan.Sum

  /// The stream of each slice, as 32-bit words: output step, flit, element (eight a flit).
  var streams: [[UInt32]] = []

  init(_ plan: TensorPlan, _ strict: StrictMachine, _ who: Issuer) {
    self.plan = plan
    self.strict = strict
    self.who = who
    state = strict.state
    machine = strict.machine
    body = plan.body
    groups = plan.inner.filter { !plan.body.loops[$0].isReduced }
    reuses = plan.nest.filter { plan.body.loops[$0].kind == .reuse }
    sum = plan.sum
  }

  mutating func run() throws(Diagnostic) {
    countFetch()
    streams = []
    for slice in 0..<plan.slices {
      var index = [Int](repeating: 0, count: 8)
      if plan.usesCells { try accumulate(slice, &index) } else { pass(slice, &index) }
    }
    if body.reducer.kind != .none { try reduceOverSlices() }
    counts.issue = plan.isMain ? machine.issueMainCycles : machine.issueSubCycles
    if plan.program != nil || body.isReduction { counts.latency = machine.vectorLatencyCycles }
    if case .registerFile = body.sink { return }
    guard body.accumulate.finish == .drain else { return }
    for slice in 0..<plan.slices where goesOn(slice) { try finish(slice) }
    if let first = (0..<plan.slices).first(where: goesOn) { countOutput(first) }
  }
}

// Without accumulators.
extension StrictTensorWalk {
  private mutating func pass(_ slice: Int, _ index: inout [Int]) {
    var stream: [UInt32] = []
    var odometer = Odometer(plan.nest, plan.sizes)
    while odometer.next(&index) {
      let packet = receive(slice, index)
      if case .registerFile(let base) = body.sink {
        storePacket(packet, slice, base, index)
      } else {
        for e in 0..<8 { stream.append(e < packet.count && !packet[e].isSkipped ? packet[e].bits : 0) }
      }
    }
    streams.append(stream)
    if slice == 0, case .registerFile = body.sink { countRegisterFile() }
  }

  private mutating func storePacket(_ packet: [Element], _ slice: Int, _ base: Int32, _ index: [Int]) {
    var unit = Int(base)
    for loop in plan.nest { unit += index[loop] * Int(body.loops[loop].registerStride) }
    for e in 0..<state.wordsPerUnit {
      let bits = e < packet.count && !packet[e].isSkipped ? packet[e].bits : 0
      write(.registers, slice, unit * state.wordsPerUnit + e, 1, UInt64(bits))
    }
  }

  /// Time and ring loops as they stand in the nest, the one that leaves it too.
  private mutating func countRegisterFile() {
    var index = [Int](repeating: 0, count: 8)
    let all = body.loops.indices.filter { body.loops[$0].kind != .reuse }
    var odometer = Odometer(all, plan.sizes)
    while odometer.next(&index) { counts.commit += 1 }
  }

  mutating func write(_ memory: MemoryName, _ slice: Int, _ entry: Int, _ count: Int, _ bits: UInt64) {
    if memory == .sram { counters.sramWriteBytes += count }
    writes.append(
      PendingWrite(
        memory: memory, slice: Int32(plan.first + slice), count: Int32(count), entry: entry, bits: bits))
  }
}
