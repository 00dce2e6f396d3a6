import KernelIR
import Machine
import NPUISA
import Support
import Tensors

/// Instructions walked element by element when they start, landing when they complete.
struct StrictExecution: SimulationClient {
  let code: DecodedCode
  let strict: StrictMachine
  var capture: Capture
  var record = RunRecord()
  var stageCounts: [StageCounts?] = []

  private enum Flight {
    case none
    case tensor(TensorPlan, [PendingWrite])
    case dma(StrictDMAWalk)
  }
  private var flights: [Flight]

  init(_ code: DecodedCode, _ strict: StrictMachine, _ capture: Capture) {
    self.code = code
    self.strict = strict
    self.capture = capture
    flights = Array(repeating: .none, count: code.contexts.count)
  }

  mutating func starts(_ context: Int, _ position: Int, at tick: Int64) throws(Diagnostic) -> Activity {
    let who = Issuer(context: context, position: position)
    record.running[context] = record.timeline.count
    record.timeline.append(
      TimelineEntry(context: context, position: position, startTick: tick, endTick: tick))
    stageCounts.append(nil)
    let machine = strict.machine
    let ticks = Int64(machine.ticksPerCycle)
    try capture.starts(context, position, strict.state, &record.captured)
    switch code.contexts[context][position] {
    case .tensor(let plan):
      var walk = StrictTensorWalk(plan, strict, who)
      try walk.run()
      strict.begin(walk.writes, who)
      flights[context] = .tensor(plan, walk.writes)
      stageCounts[stageCounts.count - 1] = walk.counts
      record.counters.add(walk.counters)
      record.counters.tensorInstructions += 1
      return Activity(work: .ticks(Int64(walk.counts.cycles) * ticks))
    case .dma(let plan):
      var walk = StrictDMAWalk(plan, strict, who)
      try walk.run()
      walk.beginWrites()
      flights[context] = .dma(walk)
      record.counters.add(walk.counters)
      record.counters.dmaDescriptors += 1
      return Activity(
        work: .transfer(
          startup: Int64(machine.dmaStartupCycles) * ticks, sram: Int64(walk.sramCycles) * ticks,
          granules: walk.granules))
    case .barrier: return Activity(work: .ticks(Int64(machine.hopCycles) * ticks))
    case .wait: return Activity(work: .ticks(0))
    }
  }

  mutating func reads(_ context: Int, _ position: Int) {}

  mutating func completes(_ context: Int, _ position: Int, at tick: Int64) throws(Diagnostic) {
    let who = Issuer(context: context, position: position)
    if let index = record.running[context] { record.timeline[index].endTick = tick }
    switch flights[context] {
    case .none: break
    case .tensor(let plan, let writes):
      strict.land(writes, who)
      if plan.usesCells, plan.body.accumulate.finish != .keep { strict.forgetCells(plan) }
    case .dma(let walk): try walk.land()
    }
    flights[context] = .none
    try capture.completes(context, position, strict.state, &record.captured)
  }
}

extension StrictMachine {
  /// What drained its cells leaves nothing that may be kept.
  func forgetCells(_ plan: TensorPlan) {
    for slice in plan.first..<(plan.first + plan.slices) {
      let start = slice * state.cellCount
      shadow(.cells).define(start..<(start + plan.shape.cells), as: 0)
    }
  }
}

extension RunCounters {
  /// Sums of everything.
  public mutating func add(_ other: RunCounters) {
    tensorInstructions += other.tensorInstructions
    dmaDescriptors += other.dmaDescriptors
    multiplyAdds += other.multiplyAdds
    sramReadBytes += other.sramReadBytes
    sramWriteBytes += other.sramWriteBytes
    dramReadBytes += other.dramReadBytes
    dramWriteBytes += other.dramWriteBytes
    vectorSteps += other.vectorSteps
  }
}
