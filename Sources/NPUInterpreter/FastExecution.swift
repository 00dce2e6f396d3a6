import KernelIR
import Machine
import NPUISA
import Support
import Tensors

/// The order of a program's events under its nominal times. It does not depend on data.
struct Schedule: Sendable {
  var ticks: Int64 = 0
  var timeline: [TimelineEntry] = []
  /// Context and position, in the order of the starts and completions.
  var events: [(context: Int, position: Int, isStart: Bool)] = []
}

/// Finds the schedule of a program from the closed forms.
struct SchedulingClient: SimulationClient {
  let code: DecodedCode
  let program: NPUProgram
  let machine: SliceMachine
  var schedule = Schedule()
  private var running: [Int]

  init(_ code: DecodedCode, _ program: NPUProgram, _ machine: SliceMachine) {
    self.code = code
    self.program = program
    self.machine = machine
    running = Array(repeating: 0, count: code.contexts.count)
  }

  mutating func starts(_ context: Int, _ position: Int, at tick: Int64) -> Activity {
    running[context] = schedule.timeline.count
    schedule.timeline.append(
      TimelineEntry(context: context, position: position, startTick: tick, endTick: tick))
    schedule.events.append((context, position, true))
    return code.activity(context, position, program, machine)
  }

  mutating func reads(_ context: Int, _ position: Int) {}

  mutating func completes(_ context: Int, _ position: Int, at tick: Int64) {
    schedule.timeline[running[context]].endTick = tick
    schedule.events.append((context, position, false))
  }
}

extension DecodedCode {
  /// How long an instruction takes, by the closed forms.
  func activity(_ context: Int, _ position: Int, _ program: NPUProgram, _ machine: SliceMachine) -> Activity {
    let instruction = instructions[context][position]
    let duration = instruction.duration(
      on: machine, context: Context(index: context), programs: program.programs)
    if case .dma(let time) = duration, case .dma(let plan) = contexts[context][position] {
      return Activity(
        work: .transfer(
          startup: Int64(time.startupTicks), sram: Int64(time.sramTicks), granules: plan.granules(on: machine)
        ))
    }
    return Activity(work: .ticks(Int64(duration.ticks)))
  }

  /// What a run does, from the plans alone.
  func counters() -> RunCounters {
    var counters = RunCounters()
    for step in contexts.joined() {
      switch step {
      case .barrier, .wait: break
      case .tensor(let plan): counters.add(plan.counters)
      case .dma(let plan): counters.add(plan.counters)
      }
    }
    return counters
  }
}

extension TensorPlan {
  var counters: RunCounters {
    var counters = RunCounters()
    counters.tensorInstructions = 1
    counters.sramReadBytes = slices * shape.fetches * packet * elementSize
    if body.accumulate.kind == .contract { counters.multiplyAdds = slices * shape.nest * lanes * packet }
    let reduced = body.reducer.kind != .none && body.reducer.output == .one
    let going = reduced ? slices / Int(body.reducer.size) : slices
    let output = going * shape.outputFlits
    if let second = body.second {
      counters.sramReadBytes +=
        body.accumulate.start == .load
        ? slices * shape.steps * shape.flits * shape.flitElements * 8
        : output * shape.flitElements * second.stream.element.size
    }
    if let program { counters.vectorSteps = output * shape.flitElements * program.steps.count }
    if case .commit(let commit) = body.sink {
      switch body.accumulate.finish {
      case .drain: counters.sramWriteBytes = output * Int(commit.elements) * commit.element.size
      case .spill: counters.sramWriteBytes = slices * shape.steps * shape.flits * Int(commit.elements) * 8
      case .keep: break
      }
    }
    return counters
  }
}

extension DMAPlan {
  var counters: RunCounters {
    var counters = RunCounters()
    counters.dmaDescriptors = 1
    if body.source.memory == .sram { counters.sramReadBytes = bytes } else { counters.dramReadBytes = bytes }
    if body.destination.memory == .sram {
      counters.sramWriteBytes = bytes
    } else {
      counters.dramWriteBytes = bytes
    }
    guard let index = body.index else { return counters }
    let list = 4 * (sizes.first ?? 1)
    if index.list.memory == .sram { counters.sramReadBytes += list } else { counters.dramReadBytes += list }
    return counters
  }
}

/// Random durations; see `NPUInterpreter.Mode.jitter`.
struct JitterExecution: SimulationClient {
  let code: DecodedCode
  let program: NPUProgram
  let fast: FastMachine
  var random: SeededRandom
  var capture: Capture
  var record = RunRecord()
  private var staged: [FastMachine.Staged]

  init(_ code: DecodedCode, _ program: NPUProgram, _ fast: FastMachine, _ capture: Capture, seed: UInt64) {
    self.code = code
    self.program = program
    self.fast = fast
    self.capture = capture
    random = SeededRandom(seed: seed)
    staged = Array(repeating: .none, count: code.contexts.count)
  }

  mutating func starts(_ context: Int, _ position: Int, at tick: Int64) throws(Diagnostic) -> Activity {
    record.running[context] = record.timeline.count
    record.timeline.append(
      TimelineEntry(context: context, position: position, startTick: tick, endTick: tick))
    let machine = fast.state.machine
    let duration = code.instructions[context][position].duration(
      on: machine, context: Context(index: context), programs: program.programs)
    // A factor of 0.1 … 10, uniform in its logarithm, in steps of a 64th of an octave; integers alone.
    let octaves = Int.random(in: -212...212, using: &random)
    let mantissa = Self.factors[((octaves % 64) + 64) % 64]
    let shift = (octaves - ((octaves % 64) + 64) % 64) / 64
    let scaled = Int64(min(duration.ticks, 1 << 40)) * mantissa
    let ticks = shift < 0 ? scaled >> Int64(16 - shift) : (scaled << Int64(shift)) >> 16
    let readAfter: Int64
    if fast.readsItsDestination(context, position) {
      readAfter = 0
      staged[context] = try fast.compute(context, position)
    } else {
      readAfter = ticks == 0 ? 0 : Int64.random(in: 0...ticks, using: &random)
      try fast.poison(context, position, &random)
    }
    return Activity(work: .ticks(ticks), readAfter: readAfter)
  }

  /// 2^(i / 64) · 2^16, for i in 0 ..< 64, by repeated products in 64 bits.
  private static let factors: [Int64] = (0..<64).map { step in
    var value: UInt64 = 1 << 32
    for _ in 0..<step { value = ((value >> 8) * 4_341_736_423) >> 24 }
    return Int64(value >> 16)
  }

  mutating func reads(_ context: Int, _ position: Int) throws(Diagnostic) {
    guard !fast.readsItsDestination(context, position) else { return }
    staged[context] = try fast.compute(context, position)
  }

  mutating func completes(_ context: Int, _ position: Int, at tick: Int64) throws(Diagnostic) {
    if let index = record.running[context] { record.timeline[index].endTick = tick }
    fast.land(staged[context])
    staged[context] = .none
    try capture.completes(context, position, fast.state, &record.captured)
  }
}
