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
    /// Unfinished programs that are kept side by side.
    public var beam: Int { effort * 3 / 2 }
    /// Searches that run at once; the program does not depend on it.
    public var threads = Parallel.processorCount

    public init() {}
  }

  /// - Precondition: `refusal` is nil for every node.
  /// - Throws: `unsupportedKernel` or `doesNotFit`, naming the kernel.
  public static func compile(
    _ graph: KernelGraph, on machine: SliceMachine, _ options: Options = Options()
  ) throws(Diagnostic) -> Result {
    let graph = graph.legalised()
    let cache = SearchCache()
    var best: Result?
    for trials in Trial.rounds(graph, machine, options) {
      // The first round that finds room for all constants is the one that leaves most of it to values.
      if best != nil, trials[0].residentBytes > 0 { continue }
      // Streaming seldom beats constants that are there: two searches will do.
      let trials = best == nil ? trials : Array(trials.prefix(2))
      let results = Parallel.map(trials.count, threads: options.threads) { index in
        Swift.Result { () throws(Diagnostic) in try trials[index].run(graph, machine, cache, options) }
      }
      var failure: Diagnostic?
      for result in results {
        switch result {
        case .success(let found?):
          if let least = best, least.program.predictedRunTicks <= found.program.predictedRunTicks { continue }
          best = found
        case .success: continue
        case .failure(let diagnostic): failure = failure ?? diagnostic
        }
      }
      if best == nil, let failure { throw failure }
    }
    if let best { return best }
    let found = try ProgramCompiler.search(graph, machine, Trial(residentBytes: 0), cache, options)
    throw Diagnostic(
      .doesNotFit,
      "resident weights need about \(found.residentDemand) bytes of a slice's \(machine.sramBytesPerSlice) beside the activations",
      help: "use --weights streamed")
  }
}

/// One of the searches whose fastest program is taken.
struct Trial {
  /// Of a slice, for constants; 0 streams them.
  var residentBytes: Int
  /// Ticks that a resident byte is worth.
  var price = 0.0
  var startsWithFewTiles = false
  /// Whether tiles are ranked with the shifts that their halos need.
  var countsHalos = true
  /// Slices that are used; nil: all.
  var slices: Int?

  /// Trials that run side by side, round by round: all constants resident, with the less room for values the dearer copies
  /// of constants; then streamed.
  static func rounds(
    _ graph: KernelGraph, _ machine: SliceMachine, _ options: NPUCompiler.Options
  ) -> [[Trial]] {
    var trials: [Trial] = []
    let bytes = graph.buffers.ids.reduce(0) { $0 + (graph.buffers[$1].constant?.type.byteCountOrZero ?? 0) }
    if options.weights != .streamed, bytes > 0 {
      let least = bytes / machine.slices
      for (eighths, price) in [(4, 0.0), (6, 0.2), (7, 1.0), (7, 5.0)] {
        let room = machine.sramBytesPerSlice / 8 * eighths
        // Copies take at least as much again where there is room for them.
        guard eighths == 7 ? least < room : least * 3 < room else { continue }
        trials.append(Trial(residentBytes: room, price: price * Double(machine.ticksPerCycle)))
      }
    }
    if options.weights != .resident || bytes == 0 { trials.append(Trial(residentBytes: 0)) }
    // Where issue takes longer than all products, rings and shifts over half of the slices may be worth more than the rest.
    let isSmall =
      machine.slices > 1
      && graph.macs
        < machine.issueMainCycles * graph.nodes.count * machine.slices * machine.lanes * machine.packetBytes
    return trials.map { trial in
      // What streams hides much of the shifts.
      let all = [true, false].prefix(trial.residentBytes > 0 ? 1 : 2).flatMap { countsHalos in
        [false, true].map { startsWithFewTiles in
          var other = trial
          other.countsHalos = countsHalos
          other.startsWithFewTiles = startsWithFewTiles
          return other
        }
      }
      guard isSmall else { return all }
      return all
        + all.prefix(2).map { trial in
          var other = trial
          other.slices = machine.slices / 2
          return other
        }
    }
  }

  /// - Returns: nil where constants should be resident and do not fit.
  func run(
    _ graph: KernelGraph, _ machine: SliceMachine, _ cache: SearchCache, _ options: NPUCompiler.Options
  ) throws(Diagnostic) -> NPUCompiler.Result? {
    var machine = machine
    machine.slices = slices ?? machine.slices
    guard residentBytes > 0 else {
      let found = try ProgramCompiler.search(graph, machine, self, cache, options)
      return .init(
        program: try found.emitted(residentBytes: 0, options).program(), decisions: found.decisions)
    }
    guard var found = try? ProgramCompiler.search(graph, machine, self, cache, options),
      found.residentDemand > 0, found.residentDemand <= residentBytes
    else { return nil }
    if found.choices.contains(where: { $0.relief != .none }) {
      // Values went to DRAM: once more, with all the room that constants leave.
      var roomier = self
      roomier.residentBytes = found.residentDemand
      if let again = try? ProgramCompiler.search(graph, machine, roomier, cache, options),
        again.residentDemand <= roomier.residentBytes, again.computeTicks < found.computeTicks
      {
        found = again
      }
    }
    guard
      let placed = try? found.emitted(residentBytes: found.residentDemand, options),
      placed.residentDemand <= found.residentDemand
    else { return nil }
    return .init(program: placed.program(), decisions: found.decisions)
  }
}

extension TensorType {
  fileprivate var byteCountOrZero: Int { (try? byteCount().bytes) ?? 0 }
}
