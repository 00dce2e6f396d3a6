import Machine
import NPUISA
import NPUInterpreter

/// What one kernel of a device program costs in a run.
public struct KernelCost: Sendable {
  /// In the program's kernel table.
  public let index: Int
  /// Of the node that it comes from, or empty.
  public let name: String
  /// The nodes of the model that it computes.
  public let nodes: [ProgramLayers.Node]
  /// As in the text form of kernels; told from the instructions where the file does not say.
  public internal(set) var form = ""
  /// Its part of the run's time; parts and idle time add up to the run.
  public internal(set) var ticks: Int64 = 0
  /// How long it holds the context main, waits not counted.
  public internal(set) var mainTicks: Int64 = 0
  /// As `mainTicks`, of the context sub.
  public internal(set) var subTicks: Int64 = 0
  /// As `mainTicks`, of all DMA engines.
  public internal(set) var dmaTicks: Int64 = 0
  /// Its first start.
  public internal(set) var startTick = Int64.max
  /// Its last completion.
  public internal(set) var endTick: Int64 = 0
  /// Of a run, loops expanded.
  public internal(set) var instructions = 0
  /// Of the load program.
  public internal(set) var loadInstructions = 0
  /// Work and bytes in a run.
  public internal(set) var counters = RunCounters()
  /// The most that an instruction of it uses.
  public internal(set) var slices = 0
  /// What limits it for how many ticks of its part: a stage of the tensor unit, `issue`, or `dma`.
  public internal(set) var limits: [(name: String, ticks: Int64)] = []
  /// What is known of it from before the mapping.
  public let layer: ProgramLayers.Kernel?

  init(_ index: Int, name: String, nodes: [ProgramLayers.Node], layer: ProgramLayers.Kernel?) {
    self.index = index
    self.name = name
    self.nodes = nodes
    self.layer = layer
    form = layer?.form ?? ""
  }

  /// What limits it for the longest time.
  public var limit: String {
    limits.reduce((name: "none", ticks: Int64(0))) { $1.ticks > $0.ticks ? $1 : $0 }.name
  }

  /// Multiply-adds of the model; nil where the file does not say.
  public var macs: Int? { layer?.macs }

  /// No schedule does the kernel in fewer cycles; nil where nothing is known or it may disappear.
  public var boundCycles: Int? { layer.flatMap { $0.bound.cycles > 0 ? $0.bound.cycles : nil } }

  /// Multiply-adds of the model per one that the machine could do in its part of the time.
  public func utilization(on machine: SliceMachine) -> Double? {
    guard let macs, macs > 0, ticks > 0 else { return nil }
    let perCycle = Double(machine.slices * machine.lanes * machine.packetBytes)
    return Double(macs) * Double(machine.ticksPerCycle) / (Double(ticks) * perCycle)
  }

  /// Of a run, from the counters and the machine's energies.
  public func energy(on machine: SliceMachine) -> Energy { Energy(counters, on: machine) }

  /// The operators that it computes, as `Conv+Relu`.
  public var operators: String { nodes.map(\.op).filter { !$0.isEmpty }.joined(separator: "+") }

  /// Operators and name, as users know them.
  public var title: String { (operators.isEmpty ? "" : operators + " ") + "'\(label)'" }

  /// Its name, or that of the first node with one.
  public var label: String {
    if !name.isEmpty { return name }
    return nodes.first { !$0.name.isEmpty }?.name ?? "kernel \(index)"
  }
}

extension KernelCost {
  /// Adds an instruction of a run.
  mutating func add(_ entry: TimelineEntry, share: Int64, _ timing: ProgramTiming, _ stages: Stages?) {
    let held = entry.endTick - entry.startTick
    instructions += 1
    ticks += share
    switch entry.context {
    case 0: mainTicks += held
    case 1: subTicks += held
    default: dmaTicks += held
    }
    startTick = min(startTick, entry.startTick)
    endTick = max(endTick, entry.endTick)
    counters.add(timing.counters(entry))
    let instruction = timing.instruction(entry)
    switch instruction.body {
    case .tensor(let tensor):
      slices = max(slices, Int(tensor.sliceCount))
      if layer == nil { form = Self.form(form, of: tensor) }
      guard let stages else { return }
      let longest = stages.longest
      let fixed = stages.issue + stages.latency
      add(share, to: fixed > longest.cycles ? "issue" : longest.name)
    case .dma:
      if form.isEmpty { form = "move" }
      add(share, to: "dma")
    case .control: add(share, to: "wait")
    }
  }

  /// Contractions and reductions give a kernel its form, a copy alone is a move.
  private static func form(_ known: String, of tensor: TensorInstruction) -> String {
    switch tensor.accumulate.kind {
    case .contract: "contract"
    case .none: known == "contract" || known == "reduce" ? known : "map"
    default: known == "contract" ? known : "reduce"
    }
  }

  private mutating func add(_ ticks: Int64, to limit: String) {
    guard ticks > 0 else { return }
    guard let index = limits.firstIndex(where: { $0.name == limit }) else {
      return limits.append((limit, ticks))
    }
    limits[index].ticks += ticks
  }
}

extension Energy {
  init(_ counters: RunCounters, on machine: SliceMachine) {
    self.init(
      on: machine, macs: counters.multiplyAdds, sramBytes: counters.sramReadBytes + counters.sramWriteBytes,
      dramBytes: counters.dramReadBytes + counters.dramWriteBytes, vectorSteps: counters.vectorSteps)
  }
}
