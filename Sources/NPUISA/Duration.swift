import KernelIR
import Machine
import Support
import Tensors

/// How long each stage of a tensor instruction takes, in cycles: Docs/npu-machine.md, section 5.
public struct Stages: Hashable, Sendable {
  public var issue = 0
  public var fetch = 0
  public var exchange = 0
  public var contract = 0
  public var second = 0
  public var drain = 0
  public var reducer = 0
  public var vector = 0
  public var commit = 0
  public var latency = 0

  /// The stages that run together, by name.
  public var concurrent: [(name: String, cycles: Int)] {
    [
      ("fetch", fetch), ("switch", exchange), ("contract", contract), ("second", second), ("drain", drain),
      ("reducer", reducer), ("vector", vector), ("commit", commit),
    ]
  }

  /// The longest stage; of equals the first.
  public var longest: (name: String, cycles: Int) {
    concurrent.reduce(("fetch", fetch)) { $1.cycles > $0.cycles ? $1 : $0 }
  }

  public var cycles: Int { issue + longest.cycles + latency }
}

/// How long a descriptor of a DMA engine takes.
public struct DMATime: Hashable, Sendable {
  public var startupTicks = 0
  /// After the startup, if nothing else slowed it.
  public var sramTicks = 0
  /// Accesses of DRAM, over both sides and the index list.
  public var granules = 0
  /// Runs that end with a partial write.
  public var partialWrites = 0
  /// On DRAM that serves nobody else.
  public var dramTicks = 0

  public var ticks: Int { startupTicks + max(sramTicks, dramTicks) }
}

/// How long an instruction holds its context, on DRAM that serves nobody else.
public enum Duration: Hashable, Sendable {
  case tensor(Stages, ticks: Int)
  case dma(DMATime)
  case control(ticks: Int)

  public var ticks: Int {
    switch self {
    case .tensor(_, let ticks), .control(let ticks): ticks
    case .dma(let time): time.ticks
    }
  }
}

extension Instruction {
  /// The closed form. What breaks a limit has some duration too; it does not trap.
  public func duration(on machine: SliceMachine, context: Context, programs: [Program]) -> Duration {
    switch body {
    case .tensor(let tensor):
      let stages = tensor.stages(on: machine, context: context, programs: programs)
      return .tensor(stages, ticks: stages.cycles * machine.ticksPerCycle)
    case .dma(let dma): return .dma(dma.time(on: machine))
    case .control(.barrier): return .control(ticks: machine.hopCycles * machine.ticksPerCycle)
    case .control: return .control(ticks: 0)
    }
  }
}

extension TensorInstruction {
  public func stages(on machine: SliceMachine, context: Context, programs: [Program]) -> Stages {
    let shape = shape
    let isMain = context == .main
    let packet = Int(fetch.packetElements) * fetch.element.size
    let output = shape.outputFlits
    var stages = Stages()
    stages.issue = isMain ? machine.issueMainCycles : machine.issueSubCycles
    stages.fetch =
      shape.fetches * packet.over(isMain ? machine.fetchMainBytesPerCycle : machine.fetchSubBytesPerCycle)
    let moved = shape.fetches * packet.over(machine.flitBytes) + 2
    switch exchange.kind {
    case .forward: break
    case .shift: stages.exchange = min(abs(Int(exchange.distance)), 4096) * moved
    // Either way half of the packets, and the two cycles.
    case .neighbours: stages.exchange = min(abs(Int(exchange.distance)), 4096) * (moved + 2)
    default: stages.exchange = min(Int(exchange.outer) * Int(exchange.inner), 4096) * moved
    }
    switch accumulate.kind {
    case .none: break
    case .contract: stages.contract = shape.nest * packet.over(machine.packetBytes)
    default: stages.contract = shape.nest * 8.over(machine.vectorWaysReduce)
    }
    if let second {
      let isLoad = accumulate.start == .load
      let bytes =
        isLoad
        ? 8 * shape.flitElements
        : second.stream.element.size * (second.operand.isBroadcast ? 1 : shape.flitElements)
      stages.second =
        (isLoad ? shape.steps * shape.flits : output) * bytes.over(machine.fetchSubBytesPerCycle)
    }
    if accumulate.kind != .none, accumulate.finish != .keep { stages.drain = shape.steps * shape.flits }
    if reducer.kind != .none {
      stages.reducer =
        min(Int(reducer.stride), 4096)
        * (shape.steps * shape.flits + machine.hopCycles * min(Int(reducer.size), 4096))
    }
    if let kinds = (try? kinds(programs: programs)) ?? nil, let number = vector.program {
      stages.vector = output * programs[Int(number)].cyclesPerFlit(kinds, on: machine)
    }
    if accumulate.finish != .keep { stages.commit = commitCycles(on: machine, isMain, shape) }
    if vector.program != nil || isReduction { stages.latency = machine.vectorLatencyCycles }
    return stages
  }

  private func commitCycles(on machine: SliceMachine, _ isMain: Bool, _ shape: StreamShape) -> Int {
    let rate = isMain ? machine.commitMainBytesPerCycle : machine.commitSubBytesPerCycle
    let output = shape.outputFlits
    switch sink {
    case .commit(let commit):
      let size = accumulate.finish == .spill ? 8 : commit.element.size
      let rows = max(Int(commit.transposeRows), 1)
      guard rows > 1 else { return output * (Int(commit.elements) * size).over(rate) }
      return output / rows * Int(commit.elements) * (rows * size).over(rate)
    case .registerFile: return shape.fetches * shape.ring
    case .vectorRegisters, .tables: return output
    }
  }
}

extension DMAInstruction {
  /// Runs: Π loops, stopping at twice the limit.
  public var runs: Int { loops.reduce(1) { StreamShape.product($0, Int($1.size)) } }

  public func time(on machine: SliceMachine) -> DMATime {
    let (runs, bytes) = (runs, Int(runBytes))
    let ticks = machine.ticksPerCycle
    func sramCycles(_ bytes: Int) -> Int { max(machine.dmaRunCycles, bytes.over(machine.dmaBytesPerCycle)) }
    var time = DMATime()
    time.startupTicks = machine.dmaStartupCycles * ticks
    for (place, isWrite) in [(source, false), (destination, true)] {
      switch place.memory {
      case .sram: time.sramTicks += runs * sramCycles(bytes) * ticks
      case .dram:
        time.granules += runs * bytes.over(machine.dramGranuleBytes)
        if isWrite, bytes % machine.dramGranuleBytes != 0 { time.partialWrites += runs }
      }
    }
    if let index {
      let bytes = 4 * Int(loops.first?.size ?? 1)
      switch index.list.memory {
      case .sram: time.sramTicks += sramCycles(bytes) * ticks
      case .dram: time.granules += bytes.over(machine.dramGranuleBytes)
      }
    }
    time.dramTicks =
      time.granules * machine.dramGranuleTicks + time.partialWrites * machine.dramPartialWriteTicks
    return time
  }
}

extension Program {
  /// Cycles of the vector engine for a flit of eight elements.
  public func cyclesPerFlit(_ kinds: ProgramKinds, on machine: SliceMachine) -> Int {
    let counts = counts(kinds)
    return 8.over(machine.vectorWaysInteger) * counts.integer.over(8)
      + 8.over(machine.vectorWaysFloat) * counts.float.over(8)
  }

  /// The steps that take time, by the kind of their result.
  public func counts(_ kinds: ProgramKinds) -> (integer: Int, float: Int) {
    var (integer, float) = (0, 0)
    for (index, id) in steps.ids.enumerated() {
      switch steps[id] {
      case .input, .operand, .integer, .float: continue
      default: if kinds.steps[index] == .integer { integer += 1 } else { float += 1 }
      }
    }
    return (integer, float)
  }
}

extension Int {
  /// ⌈self / divisor⌉ for `self` ≥ 0 and `divisor` > 0.
  fileprivate func over(_ divisor: Int) -> Int { (self + divisor - 1) / divisor }
}
