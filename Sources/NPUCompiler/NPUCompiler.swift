import KernelIR
import Machine
import NPUISA
import Support
import Tensors

/// Compiles graphs of kernels for the slice machine.
public enum NPUCompiler {
  public enum WeightMode: String, CaseIterable, Sendable {
    /// Every run reads constants from DRAM.
    case streamed
    /// The load program places them once.
    case resident
    /// Resident where all fit and that is faster, else streamed.
    case auto
  }

  public struct Options: Sendable {
    public var weights = WeightMode.auto
    /// Mappings that are tried per kernel.
    public var effort = 16
    /// Unfinished programs that are kept side by side: more where there are many kernels, whose layouts have to be weighed.
    func beam(kernels: Int) -> Int { max(kernels < 24 ? effort * 3 / 4 : effort * 9 / 4, 1) }
    /// Searches that run at once; the program does not depend on it.
    public var threads = Parallel.processorCount

    public init() {}
  }

  /// - Precondition: `refusal` is nil for every node.
  /// - Throws: `unsupportedKernel` or `doesNotFit`, naming the kernel.
  public static func compile(
    _ graph: KernelGraph, on machine: SliceMachine, _ options: Options = Options()
  ) throws(Diagnostic) -> Result {
    let graph = graph.legalised().stacked()
    var trials = Trials(graph, machine, options)
    if options.weights != .streamed { trials.runResident() }
    if options.weights != .resident || graph.constantBytes == 0 { try trials.runStreamed() }
    if let best = trials.best { return best }
    let found = try ProgramCompiler.search(graph, machine, Trial(residentBytes: 0), trials.cache, options)
    throw Diagnostic(
      .doesNotFit,
      "resident weights need about \(found.residentDemand) bytes of a slice's \(machine.sramBytesPerSlice) beside the activations",
      help: "use --weights streamed")
  }
}

/// One of the searches whose fastest program is taken.
struct Trial {
  /// What values leave to constants at least; 0 streams them.
  var residentBytes: Int
  /// Ticks that a resident byte is worth.
  var price = 0.0
  var startsWithFewTiles = false
  /// Whether tiles are ranked with the shifts that their halos need.
  var countsHalos = true
  /// Ticks of work beside what streams, or of that beside the work, that count as one.
  var hiddenTicks = 8.0
  /// Slices that are used; nil: all.
  var slices: Int?

  /// What came of a trial: also whether values have the room that the search thought they have, and the bytes of a slice that
  /// constants take.
  struct Found {
    var program: NPUProgram
    var fits = true
    var demand = 0
    /// How it was found and emitted.
    let search: ProgramCompiler
    let placed: ProgramCompiler

    /// With instructions in the order that is fastest.
    func scheduled() -> Found {
      var found = self
      found.program = placed.scheduled(program)
      return found
    }
  }

  /// - Returns: nil where constants should be resident and do not fit.
  func run(
    _ graph: KernelGraph, _ machine: SliceMachine, _ cache: SearchCache, _ options: NPUCompiler.Options
  ) throws(Diagnostic) -> Found? {
    var machine = machine
    machine.slices = slices ?? machine.slices
    guard residentBytes > 0 else {
      let found = try ProgramCompiler.search(graph, machine, self, cache, options)
      let placed = try found.emitted(residentBytes: 0, options)
      let first = Found(program: placed.program(), search: found, placed: placed)
      guard let placed = try? found.emitted(residentBytes: 0, usesEither: true, options) else { return first }
      let other = Found(program: placed.program(), search: found, placed: placed)
      return other.program.predictedRunTicks < first.program.predictedRunTicks ? other : first
    }
    var trial = self
    var best: Found?
    for _ in 0..<2 {
      guard let found = try? ProgramCompiler.search(graph, machine, trial, cache, options),
        found.residentDemand > 0, found.residentDemand < machine.sramBytesPerSlice
      else { break }
      let spills = found.choices.contains { $0.relief != .none }
      var fits = false
      if let placed = try? found.emitted(residentBytes: found.residentDemand, options),
        placed.residentDemand <= found.residentDemand
      {
        let ordered = found.reordered(placed, residentBytes: found.residentDemand, options)
        fits = !placed.neededMoreRoom
        if let least = best, least.program.predictedRunTicks <= ordered.program.predictedRunTicks {
          break
        }
        best = Found(
          program: ordered.program, fits: fits, demand: found.residentDemand, search: found,
          placed: ordered.placed)
      }
      // Once more where values have more room than the search gave them and need it, or somewhat less.
      let isTight = found.residentDemand > machine.sramBytesPerSlice / 8 * 7
      guard fits ? spills && found.residentDemand < trial.residentBytes : !isTight,
        found.residentDemand != trial.residentBytes
      else { break }
      trial.residentBytes = found.residentDemand
    }
    return best
  }
}

extension KernelGraph {
  var constantBytes: Int {
    buffers.ids.reduce(0) { $0 + (buffers[$1].constant?.type.byteCountOrZero ?? 0) }
  }

  /// Ticks that DRAM needs for all constants.
  func streamTicks(_ machine: SliceMachine) -> Int {
    constantBytes / machine.dramGranuleBytes * machine.dramGranuleTicks
  }
}

extension TensorType {
  fileprivate var byteCountOrZero: Int { (try? byteCount().bytes) ?? 0 }
}
