import KernelIR
import Machine
import NPUISA
import Support
import Tensors

/// Runs a binary of a slice machine. All modes give the same outputs for a program that the checker accepts.
///
/// - `fast`: every instruction bound to a kernel; time from the closed forms.
/// - `strict`: nested loops as Docs/npu-machine.md defines them, with a shadow of every byte, and time from what
///   the loops counted. What is wrong with a program and does not stop it is in `RunResult.findings`.
/// - `jitter`: durations vary by 0.1 … 10, sources are read at some moment of the interval, destinations hold
///   noise until its end.
public struct NPUInterpreter {
  public enum Mode: Hashable, Sendable {
    case fast
    case strict
    case jitter(seed: UInt64)
  }

  public struct RunResult: Sendable {
    public var outputs: [String: Tensor] = [:]
    public var ticks: Int64 = 0
    public var cycles: Int64 = 0
    public var counters = RunCounters()
    public var findings: [Diagnostic] = []
    /// In the order of the starts.
    public var timeline: [TimelineEntry] = []
    /// Strict only: what the walk of each tensor instruction counted, beside the timeline's entry of the same
    /// index; nil for other instructions.
    public var stageCounts: [StageCounts?] = []
    /// The values that `capture` asked for.
    public var captured: [String: Tensor] = [:]
  }

  public let program: NPUProgram
  public let machine: SliceMachine
  public let mode: Mode
  let threads: Int
  let state: MachineState
  let loadCode: DecodedCode
  let runCode: DecodedCode
  var strict: StrictMachine?
  var hasLoaded = false
  /// Seeds of jitter differ from run to run.
  var runNumber: UInt64 = 0
  private var fastLoad: FastMachine?
  private var fastRun: FastMachine?
  private var loadSchedule: Schedule?
  private var runSchedule: Schedule?

  /// - Throws: what makes the program malformed: fields, addresses, contexts, or memories that it does not fit.
  public init(
    _ program: NPUProgram, on machine: SliceMachine, mode: Mode, threads: Int = 1
  ) throws(Diagnostic) {
    self.program = program
    self.machine = machine
    self.mode = mode
    self.threads = max(threads, 1)
    guard program.dramBytes >= 0, program.dramBytes <= 1 << 44 else {
      throw Diagnostic(.addressRange, "the program uses \(program.dramBytes) bytes of DRAM")
    }
    state = try MachineState(machine, dramBytes: Int(program.dramBytes))
    loadCode = try DecodedCode(program.load, program: program, on: machine)
    runCode = try DecodedCode(program.run, program: program, on: machine)
    for port in program.inputs + program.outputs {
      _ = try state.address(.dram, port.address, try port.type.byteCount().bytes)
    }
    for image in program.images { _ = try state.address(.dram, image.address, image.bytes.count) }
    if mode == .strict { strict = try StrictMachine(state) }
  }

  /// Puts the images into DRAM and runs the load program. `run` does it the first time if nobody has.
  @discardableResult
  public mutating func load() throws(Diagnostic) -> RunResult {
    for image in program.images {
      let address = try state.address(.dram, image.address, image.bytes.count)
      image.bytes.withUnsafeBytes { bytes in
        if let base = bytes.baseAddress { address.copyMemory(from: base, byteCount: bytes.count) }
      }
      let start = Int(image.address)
      strict?.shadow(.dram).define(start..<(start + image.bytes.count), as: 1)
    }
    strict?.epoch = 1
    var result = RunResult()
    try execute(loadCode, isLoad: true, capture: [], &result)
    hasLoaded = true
    return result
  }

  /// One inference.
  /// - Parameters:
  ///   - inputs: by name; of the ports' types.
  ///   - capture: names of residences whose values are wanted.
  /// - Throws: `invalidOperand` for inputs that do not fit; errors at run time: an index out of range, a sum that
  ///   leaves 32 bits, an address outside its memory; `neverReached` for a deadlock.
  public mutating func run(
    inputs: [String: Tensor], capture: [String] = []
  ) throws(Diagnostic) -> RunResult {
    if !hasLoaded { try load() }
    strict?.beginRun()
    for port in program.inputs {
      guard let tensor = inputs[port.name] else {
        throw Diagnostic(.invalidOperand, "input \(port.name) is missing")
      }
      guard tensor.type == port.type else {
        throw Diagnostic(
          .invalidOperand, "input \(port.name) is \(tensor.type), the program takes \(port.type)")
      }
      let count = tensor.bytes.count
      let address = try state.address(.dram, port.address, count)
      tensor.withBytes { bytes in
        if let base = bytes.baseAddress { address.copyMemory(from: base, byteCount: count) }
      }
      if let strict {
        strict.shadow(.dram).define(Int(port.address)..<(Int(port.address) + count), as: strict.epoch)
      }
    }
    var result = RunResult()
    runNumber += 1
    try execute(runCode, isLoad: false, capture: capture, &result)
    for port in program.outputs {
      let count = try port.type.byteCount().bytes
      let address = try state.address(.dram, port.address, count)
      if let strict { strict.readOutput(Int(port.address), count, port.name) }
      result.outputs[port.name] = try Tensor(port.type) { memory in
        if let base = memory.baseAddress { base.copyMemory(from: address, byteCount: count) }
      }
    }
    if let strict { result.findings = strict.findings.all }
    return result
  }

  private mutating func execute(
    _ code: DecodedCode, isLoad: Bool, capture: [String], _ result: inout RunResult
  ) throws(Diagnostic) {
    let capture = try Capture(program, names: capture)
    let (ticks, client): (Int64, RunRecord)
    switch mode {
    case .strict:
      guard let strict else { return }
      strict.findings = Findings()
      var execution = StrictExecution(code, strict, capture)
      var simulation = EventSimulation(code.entries)
      ticks = try simulation.run(&execution)
      client = execution.record
      result.stageCounts = execution.stageCounts
      result.findings = strict.findings.all
    case .jitter(let seed):
      let fast = fastMachine(isLoad)
      var random = SeededRandom(seed: seed)
      fast.poisonFiles(&random)
      var execution = JitterExecution(
        code, program, fast, capture, seed: seed &+ runNumber &* 0x9E37_79B9_7F4A_7C15)
      var simulation = EventSimulation(code.entries)
      ticks = try simulation.run(&execution)
      client = execution.record
    case .fast:
      let schedule = try schedule(isLoad)
      let fast = fastMachine(isLoad)
      var record = RunRecord()
      for event in schedule.events where !event.isStart {
        try fast.execute(event.context, event.position)
        if !capture.isEmpty {
          try capture.completes(event.context, event.position, state, &record.captured)
        }
      }
      record.timeline = schedule.timeline
      ticks = schedule.ticks
      client = record
    }
    result.ticks = ticks
    result.cycles = Self.cycles(ticks, machine)
    result.timeline = client.timeline
    result.counters = mode == .strict ? client.counters : code.counters()
    result.captured = client.captured
  }

  private mutating func fastMachine(_ isLoad: Bool) -> FastMachine {
    if let machine = isLoad ? fastLoad : fastRun { return machine }
    let machine = FastMachine(isLoad ? loadCode : runCode, state, threads: threads)
    if isLoad { fastLoad = machine } else { fastRun = machine }
    return machine
  }

  private mutating func schedule(_ isLoad: Bool) throws(Diagnostic) -> Schedule {
    if let schedule = isLoad ? loadSchedule : runSchedule { return schedule }
    let code = isLoad ? loadCode : runCode
    var client = SchedulingClient(code, program, machine)
    var simulation = EventSimulation(code.entries)
    client.schedule.ticks = try simulation.run(&client)
    if isLoad { loadSchedule = client.schedule } else { runSchedule = client.schedule }
    return client.schedule
  }

  static func cycles(_ ticks: Int64, _ machine: SliceMachine) -> Int64 {
    let perCycle = Int64(max(machine.ticksPerCycle, 1))
    return (ticks + perCycle - 1) / perCycle
  }
}

/// What an execution leaves besides the memories.
struct RunRecord {
  var timeline: [TimelineEntry] = []
  var counters = RunCounters()
  var captured: [String: Tensor] = [:]
  /// By context, the index in `timeline` of what runs.
  var running: [Int: Int] = [:]
}

extension StrictMachine {
  func readOutput(_ address: Int, _ count: Int, _ name: String) {
    for entry in address..<(address + count) where !shadow(.dram).isDefined(entry, epoch) {
      findings.add(.missingOutput, 0, -1, "leaves byte \(entry - address) of output \(name) unwritten")
      return
    }
  }
}
