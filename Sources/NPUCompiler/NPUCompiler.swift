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
    // Whether all values found room beside the constants: the first such round has the most copies of these.
    var isRoomy = false
    var hasStreamed = false
    for trials in Trial.rounds(graph, machine, options) {
      if isRoomy, trials[0].residentBytes > 0 { continue }
      // Nothing that streams is done before all constants have come.
      if trials[0].residentBytes == 0, let best,
        hasStreamed || best.program.predictedRunTicks <= graph.streamTicks(machine)
      {
        continue
      }
      // Streaming seldom beats constants that are there: two searches will do.
      let trials = best == nil || trials[0].residentBytes > 0 ? trials : Array(trials.prefix(2))
      let results = Parallel.map(trials.count, threads: options.threads) { index in
        Swift.Result { () throws(Diagnostic) in try trials[index].run(graph, machine, cache, options) }
      }
      var failure: Diagnostic?
      for (trial, result) in zip(trials, results) {
        switch result {
        case .success(let found?):
          let streams = trial.residentBytes == 0
          hasStreamed = hasStreamed || streams
          isRoomy = isRoomy || (!streams && found.isRoomy)
          if let least = best,
            least.program.predictedRunTicks <= found.result.program.predictedRunTicks
          {
            continue
          }
          best = found.result
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
  /// What values leave to constants at least; 0 streams them.
  var residentBytes: Int
  /// Ticks that a resident byte is worth.
  var price = 0.0
  /// Whether slices hold all of their words per column, be they many or few.
  var ownsWords = false
  var startsWithFewTiles = false
  /// Whether tiles are ranked with the shifts that their halos need.
  var countsHalos = true
  /// Slices that are used; nil: all.
  var slices: Int?

  /// Trials that run side by side, round by round: all constants resident, copies of them dearer and dearer;
  /// then streamed.
  static func rounds(
    _ graph: KernelGraph, _ machine: SliceMachine, _ options: NPUCompiler.Options
  ) -> [[Trial]] {
    var trials: [Trial] = []
    let bytes = graph.constantBytes
    if options.weights != .streamed, bytes > 0 {
      let least = bytes / machine.slices
      for (price, ownsWords) in [
        (0.0, true), (0.0, false), (0.1, false), (0.5, false), (2, false), (5, false),
      ] {
        // Copies take at least as much again where there is room for them.
        guard least * (price < 1 ? 3 : 1) < machine.sramBytesPerSlice else { continue }
        trials.append(
          Trial(
            residentBytes: machine.sramBytesPerSlice / 2,
            price: price * Double(machine.ticksPerCycle), ownsWords: ownsWords))
      }
    }
    if options.weights != .resident || bytes == 0 { trials.append(Trial(residentBytes: 0)) }
    // Where issue takes longer than all products, rings and shifts over half of the slices may be worth more than the rest.
    let isSmall =
      machine.slices > 1
      && graph.macs
        < machine.issueMainCycles * graph.nodes.count * machine.slices * machine.lanes * machine.packetBytes
    var rounds = trials.map { trial in
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
        + all.prefix(1).map { trial in
          var other = trial
          other.slices = machine.slices / 2
          return other
        }
    }
    // What takes no time may run with the first.
    if isSmall, rounds.count > 1, let streamed = rounds.last, streamed[0].residentBytes == 0 {
      rounds[0] += streamed.prefix(2)
    }
    return rounds
  }

  /// - Returns: nil where constants should be resident and do not fit; and whether values have the room that
  /// the search thought they have.
  func run(
    _ graph: KernelGraph, _ machine: SliceMachine, _ cache: SearchCache, _ options: NPUCompiler.Options
  ) throws(Diagnostic) -> (result: NPUCompiler.Result, isRoomy: Bool)? {
    var machine = machine
    machine.slices = slices ?? machine.slices
    guard residentBytes > 0 else {
      let found = try ProgramCompiler.search(graph, machine, self, cache, options)
      let program = try found.emitted(residentBytes: 0, options).program()
      return (.init(program: program, decisions: found.decisions), true)
    }
    var trial = self
    var best: (result: NPUCompiler.Result, isRoomy: Bool)?
    for _ in 0..<2 {
      guard let found = try? ProgramCompiler.search(graph, machine, trial, cache, options),
        found.residentDemand > 0, found.residentDemand < machine.sramBytesPerSlice
      else { break }
      let spills = found.choices.contains { $0.relief != .none }
      var fits = false
      if let placed = try? found.emitted(residentBytes: found.residentDemand, options),
        placed.residentDemand <= found.residentDemand
      {
        let result = NPUCompiler.Result(program: placed.program(), decisions: found.decisions)
        fits = !placed.neededMoreRoom
        if let least = best, least.result.program.predictedRunTicks <= result.program.predictedRunTicks {
          break
        }
        best = (result, fits)
      }
      // Once more where values have more room than the search gave them and need it, or less.
      guard
        fits
          ? spills && found.residentDemand < trial.residentBytes : found.residentDemand > trial.residentBytes
      else { break }
      trial.residentBytes = found.residentDemand
    }
    return best
  }
}

extension KernelGraph {
  fileprivate var constantBytes: Int {
    buffers.ids.reduce(0) { $0 + (buffers[$1].constant?.type.byteCountOrZero ?? 0) }
  }

  /// Ticks that DRAM needs for all constants.
  fileprivate func streamTicks(_ machine: SliceMachine) -> Int {
    constantBytes / machine.dramGranuleBytes * machine.dramGranuleTicks
  }
}

extension TensorType {
  fileprivate var byteCountOrZero: Int { (try? byteCount().bytes) ?? 0 }
}
