import Machine
import NPUISA
import NPUInterpreter
import Support

/// A device program in time and memory, as the machine's own clock finds them.
public struct DeviceReport: Sendable {
  /// Which `device.<number>` it is.
  public let number: Int
  /// What the report is of.
  public let program: NPUProgram
  /// When each instruction of a run starts and ends.
  public let run: ProgramTiming
  /// Nil where nothing is placed before a run.
  public let load: ProgramTiming?
  /// The kernels that have instructions, the costliest first.
  public let kernels: [KernelCost]
  /// While nothing ran.
  public let idleTicks: Int64
  /// By start.
  public let regions: [MemoryRegion]
  /// What was known of the kernels before mapping; nil where the file does not say.
  public let layers: ProgramLayers.Device?
  let machine: SliceMachine

  /// - Parameter nodes: of the model, by kernel.
  /// - Throws: what makes the program malformed, or keep it from ending.
  init(
    _ number: Int, of model: CompiledModel, nodes: [[ProgramLayers.Node]]
  ) throws(Diagnostic) {
    self.number = number
    machine = model.target.machine
    program = model.devices[number]
    run = try ProgramTiming(program.run, of: program, on: machine)
    load = program.load.isEmpty ? nil : try ProgramTiming(program.load, of: program, on: machine)
    layers = model.layers?.devices[number]
    let wall = WallShares(run)
    idleTicks = wall.idle
    kernels = Self.costs(model, number, nodes, run, load, wall)
    regions = MemoryRegions(program, load: load, run: run, window: Int64(machine.sramWindowBytes)).all
  }

  private static func costs(
    _ model: CompiledModel, _ number: Int, _ nodes: [[ProgramLayers.Node]], _ run: ProgramTiming,
    _ load: ProgramTiming?, _ wall: WallShares
  ) -> [KernelCost] {
    let (program, machine) = (model.devices[number], model.target.machine)
    let layers = model.layers?.devices[number]
    var costs = program.kernels.enumerated().map { index, entry in
      KernelCost(index, name: entry.name, nodes: nodes[index], layer: layers?.kernel(index))
    }
    // A program from a file may have instructions without a kernel table.
    if costs.isEmpty { costs = [KernelCost(0, name: "program", nodes: [], layer: nil)] }
    for (entry, share) in zip(run.timeline, wall.shares) {
      let instruction = run.instruction(entry)
      let kernel = min(Int(instruction.kernel), costs.count - 1)
      var stages: Stages?
      if case .tensor(let tensor) = instruction.body {
        stages = tensor.stages(
          on: machine, context: Context(index: entry.context), programs: program.programs)
      }
      costs[kernel].add(entry, share: share, run, stages)
    }
    for entry in load?.timeline ?? [] {
      guard let kernel = load.map({ Int($0.instruction(entry).kernel) }), kernel < costs.count else {
        continue
      }
      costs[kernel].loadInstructions += 1
    }
    return costs.filter { $0.instructions > 0 || $0.loadInstructions > 0 }
      .sorted { ($0.ticks, $1.index) > ($1.ticks, $0.index) }
  }

  /// Of a run, rounded up.
  public var cycles: Int64 { machine.cycles(run.ticks) }
  /// Of the load program, rounded up; 0 without one.
  public var loadCycles: Int64 { load.map { machine.cycles($0.ticks) } ?? 0 }

  /// Whether the schedule foretold what the machine's clock finds.
  public var isAsPredicted: Bool {
    run.ticks == program.predictedRunTicks && (load?.ticks ?? 0) == program.predictedLoadTicks
  }

  /// How long each context works: main, sub, then the engines.
  public var busyTicks: [Int64] {
    var busy = [Int64](repeating: 0, count: run.instructions.count)
    for entry in run.timeline { busy[entry.context] += entry.endTick - entry.startTick }
    return busy
  }

  /// What limits the run for how long, the longest first; with the time in which nothing runs they add up to it.
  public var limits: [(name: String, ticks: Int64)] {
    var sums: [(name: String, ticks: Int64)] = []
    for limit in kernels.flatMap(\.limits) {
      if let index = sums.firstIndex(where: { $0.name == limit.name }) {
        sums[index].ticks += limit.ticks
      } else {
        sums.append(limit)
      }
    }
    if idleTicks > 0 { sums.append(("nothing runs", idleTicks)) }
    return sums.sorted { ($0.ticks, $1.name) > ($1.ticks, $0.name) }
  }

  /// Work and bytes of all kernels in a run.
  public var counters: RunCounters {
    var sum = RunCounters()
    for kernel in kernels { sum.add(kernel.counters) }
    return sum
  }

  /// Of a slice's SRAM.
  public var sramPeakBytes: Int { program.sramPeakBytes(window: Int64(machine.sramWindowBytes)) }
  /// Constants in DRAM.
  public var imageBytes: Int { program.images.reduce(0) { $0 + $1.bytes.count } }

  /// `resident` or `streamed`.
  public var weights: String { program.load.isEmpty ? "streamed" : "resident" }
}

extension Context {
  /// `main`, `sub`, `dma0`, …
  var label: String {
    switch self {
    case .main: "main"
    case .sub: "sub"
    case .dma(let engine): "dma\(engine)"
    }
  }
}
