import KernelIR
import Machine
import NPUISA
import Support

/// Searches side by side, round by round, and the fastest program that came of them.
struct Trials {
  let graph: KernelGraph
  /// With tables, for resident constants.
  private let tabulated: KernelGraph
  let machine: SliceMachine
  let options: NPUCompiler.Options
  let cache = SearchCache()
  private(set) var best: NPUCompiler.Result?
  /// A program that takes no more than this share longer than another may be faster in another order.
  private static let shareOfOrder: Int64 = 16
  private var hasResident = false
  private var hasStreamed = false

  init(_ graph: KernelGraph, _ machine: SliceMachine, _ options: NPUCompiler.Options) {
    self.graph = graph
    tabulated = graph.tabulated(on: machine)
    self.machine = machine
    self.options = options
  }

  /// Cycles that a resident byte of a slice is worth: the dearer, the fewer copies of constants there are.
  private static let prices = [0, 0.1, 0.3, 0.7, 1.5, 3, 6]

  /// All constants resident, copies of them dearer and dearer until values have room beside them; then a little cheaper again
  /// where much room is left.
  mutating func runResident() {
    let bytes = graph.constantBytes
    guard bytes > 0 else { return }
    let least = bytes / machine.slices
    var (low, high) = (0.0, 0.0)
    var demand: Int?
    for price in Self.prices {
      // Copies take at least as much again.
      guard least * (price < 1 ? 3 : 1) < machine.sramBytesPerSlice else { continue }
      demand = run(resident(price, isFirst: price == 0))
      high = price
      if demand != nil { break }
      low = price
    }
    for _ in 0..<2 {
      guard low < high, let found = demand, found < machine.sramBytesPerSlice / 4 * 3 else { return }
      let middle = (low + high) / 2
      if let next = run(resident(middle)) { (high, demand) = (middle, next) } else { low = middle }
    }
  }

  /// Constants read from DRAM in every run, unless that is sure to take longer.
  mutating func runStreamed() throws(Diagnostic) {
    // Nothing that streams is done before all constants have come.
    if hasResident, let best,
      hasStreamed || best.program.predictedRunTicks <= graph.streamTicks(machine)
    {
      return
    }
    var trials = streamed(countsHalos: true)
    if hasResident {
      // Streaming seldom beats constants that are there: two searches will do.
      trials = Array(trials.prefix(2))
    } else {
      let halves = isSmall ? trials.map { $0.with(slices: machine.slices / 2) } : []
      trials += streamed(countsHalos: false) + halves
    }
    let failures = search(trials).failures
    if best == nil, let failure = failures.first { throw failure }
  }

  /// Where issue takes longer than all products, rings and shifts over half of the slices may be worth more than the rest.
  private var isSmall: Bool {
    machine.slices > 1
      && graph.macs
        < machine.issueMainCycles * graph.nodes.count * machine.slices * machine.lanes * machine.packetBytes
  }

  private func resident(_ price: Double, isFirst: Bool = false) -> [Trial] {
    let trial = Trial(
      residentBytes: max(machine.sramBytesPerSlice / 2, graph.constantBytes / machine.slices),
      price: price * Double(machine.ticksPerCycle))
    var trials = [false, true].map { trial.with(startsWithFewTiles: $0) }
    if isFirst, isSmall {
      trials.append(trials[0].with(slices: machine.slices / 2))
      // What takes no time may run beside them; it seldom wins.
      if options.weights == .auto { trials += streamed(countsHalos: true).prefix(1) }
    }
    return trials
  }

  /// What streams hides much of the shifts.
  private func streamed(countsHalos: Bool) -> [Trial] {
    var trial = Trial(residentBytes: 0)
    trial.countsHalos = countsHalos
    // Neither weight of the work beside is always the better.
    return [8, 4].flatMap { ticks in
      trial.hiddenTicks = ticks
      return [false, true].map { trial.with(startsWithFewTiles: $0) }
    }
  }

  /// - Returns: bytes of a slice that constants take where all values found room beside them, on all slices.
  private mutating func run(_ trials: [Trial]) -> Int? {
    let found = search(trials).found
    return zip(trials, found).compactMap { trial, found in
      guard let found, trial.residentBytes > 0, trial.slices == nil, found.fits else { return nil }
      return found.demand
    }.max()
  }

  private mutating func search(_ trials: [Trial]) -> (found: [Trial.Found?], failures: [Diagnostic]) {
    let (graph, tabulated, machine, options, cache) = (graph, tabulated, machine, options, cache)
    let results = Parallel.map(trials.count, threads: options.threads) { index in
      Swift.Result { () throws(Diagnostic) in
        try trials[index].run(
          trials[index].residentBytes > 0 ? tabulated : graph, machine, cache, options)
      }
    }
    var failures: [Diagnostic] = []
    let found = results.map { result -> Trial.Found? in
      switch result {
      case .success(let found): return found
      case .failure(let failure):
        failures.append(failure)
        return nil
      }
    }
    for (trial, found) in zip(trials, found) where found != nil {
      if trial.residentBytes == 0 { hasStreamed = true } else { hasResident = true }
    }
    // Those that the order of instructions may make the fastest, equal ones once.
    let fastest = found.compactMap { $0?.program.predictedRunTicks }.min() ?? 0
    let least = min(fastest, best?.program.predictedRunTicks ?? .max)
    var near: [Trial.Found] = []
    for found in found.compactMap({ $0 })
    where found.program.predictedRunTicks - least <= least / Self.shareOfOrder
      && !near.contains(where: { $0.program.run == found.program.run })
    {
      near.append(found)
    }
    for found in Parallel.map(near.count, threads: options.threads, { [near] in near[$0].scheduled() }) {
      if let best, best.program.predictedRunTicks <= found.program.predictedRunTicks { continue }
      best = NPUCompiler.Result(program: found.program, decisions: found.search.decisions)
    }
    return (found, failures)
  }
}

extension Trial {
  fileprivate func with(startsWithFewTiles: Bool) -> Trial {
    var trial = self
    trial.startsWithFewTiles = startsWithFewTiles
    return trial
  }

  fileprivate func with(slices: Int) -> Trial {
    var trial = self
    trial.slices = slices
    return trial
  }
}
