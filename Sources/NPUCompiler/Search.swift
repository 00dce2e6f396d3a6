import KernelIR
import Machine
import NPUISA
import Support
import Tensors

/// Where a value lies, but for the place of its interval.
private struct Layout: Hashable {
  var placement: Placement

  init(_ placement: Placement) { self.placement = placement }

  init?(_ home: ProgramCompiler.Home?) {
    guard let home else { return nil }
    placement = home.placement
    placement.base = home.owned.map { placement.base - $0.lowerBound } ?? 0
  }
}

/// What placing a kernel in one way costs, and where its values lie then.
private struct Outcome {
  struct Moved {
    /// Of the node.
    var operand: Int
    /// From the start of its interval.
    var placement: Placement
    /// Of a new interval; nil stays where it is.
    var bytes: Int?
  }

  var choice: ProgramCompiler.Choice
  var spent: Work
  var demand: Int
  var result: Placement
  var bytes: Int?
  /// Whether the result lies in the tile of a concatenation, and that tile where this reserves it.
  var isJoined: Bool
  var reserving: (placement: Placement, bytes: Int)?
  /// Of a concatenation, whether it lies in the tile that its parts reserved.
  var isReserved: Bool
  var moved: [Moved]
  var registerLoads: LoadQueue
  var wordLoads: LoadQueue
}

/// Nodes that a search need not tell apart: what their mappings come to depends on where operands lie alone.
private struct NodeClass: Hashable {
  struct Operand: Hashable {
    /// The first operand that is the same buffer.
    var first: Int
    var constant: TensorType?
    var isReadAgain: Bool
  }

  var kernel: Kernel?
  var operands: [Operand]
  var room: [Int]
  var joining: [Int]

  init(_ node: KernelNode, in state: ProgramCompiler) {
    kernel = node.kernel
    operands = node.operands.enumerated().map { index, buffer in
      Operand(
        first: node.operands.firstIndex(of: buffer) ?? index,
        constant: state.graph.buffers[buffer].constant?.type,
        isReadAgain: state.remaining[buffer] > node.operands.count { $0 == buffer })
    }
    room = state.room[node.result].flatMap { [$0.before, $0.behind] }
    joining = []
    if let part = state.joinings[node.result] {
      joining = part.extents + [part.dimension, part.start, part.isLast ? 1 : 0]
      joining += state.room[part.target].flatMap { [$0.before, $0.behind] }
    }
  }
}

/// Outcomes by class of node, layouts of the operands, and effort.
private struct Memo {
  private struct Key: Hashable {
    var node: Int
    var place: Place
    var effort: Int
  }

  /// Where a kernel is placed.
  struct Place: Hashable {
    /// Of its operands, and of what a concatenation has reserved already.
    var layouts: [Layout?]
    var reserved: Layout?
    /// Of a concatenation, which operands lie in their places there.
    var areInPlace: [Bool]
    /// Whether no load can come beside the kernel before. How much can is not told apart.
    var isAlone: Bool
  }

  private var classes: [NodeClass: Int] = [:]
  private var found: [Key: [Outcome]] = [:]

  mutating func number(of node: NodeClass) -> Int {
    let number = classes[node] ?? classes.count
    classes[node] = number
    return number
  }

  mutating func outcomes(_ node: Int, _ place: Place, effort: Int, make: () -> [Outcome]) -> [Outcome] {
    let key = Key(node: node, place: place, effort: effort)
    if let known = found[key] { return known }
    let made = make()
    found[key] = made
    return made
  }
}

extension ProgramCompiler {
  /// How to place the whole graph: of all ways to place a kernel after those kept so far, the `beam` cheapest stay
  /// whose results lie in different places. Nothing is emitted yet.
  static func search(
    _ graph: KernelGraph, _ machine: SliceMachine, _ trial: Trial, _ cache: SearchCache,
    _ options: NPUCompiler.Options
  ) throws(Diagnostic) -> ProgramCompiler {
    let joinings = graph.joinings()
    var start = ProgramCompiler(
      graph, machine, residentBytes: trial.residentBytes, isDry: true, room: graph.rooms(joinings),
      joinings: joinings, cache: cache, sharesLoads: trial.residentBytes > 0,
      memory: trial.residentBytes > 0 ? { .counted($0) } : ValueMemory.lowest)
    start.residentPrice = trial.price
    start.startsWithFewTiles = trial.startsWithFewTiles
    start.countsHalos = trial.countsHalos
    start.hiddenTicks = trial.hiddenTicks
    var beam = [start]
    let readers = Readers(graph)
    var memo = Memo()
    for (number, id) in graph.nodes.ids.enumerated() {
      let node = graph.nodes[id]
      var next: [ProgramCompiler] = []
      if isMapped(node) { next = kept(beam, node, live: readers.live[number], readers, &memo, options) }
      var failure: Diagnostic?
      if next.isEmpty {
        for state in beam {
          do { next.append(try state.placed(node, options)) } catch {
            failure = error.diagnostic(number, node, machine)
          }
        }
      }
      if next.isEmpty, let failure { throw failure }
      beam = next
      for index in beam.indices { beam[index].release(after: node) }
    }
    return beam.min { $0.rank() < $1.rank() } ?? start
  }

  private static func isMapped(_ node: KernelNode) -> Bool {
    guard let kernel = node.kernel, kernel.elements > 0 else { return false }
    return !(kernel.form == .map && kernel.operands.isEmpty)
  }

  /// The cheapest states after a node, of those with all values in the same layouts only the first, and few with the result in
  /// the same. Ways to place it are tried once per layout of the operands.
  /// - Parameter live: other values that are read later.
  private static func kept(
    _ beam: [ProgramCompiler], _ node: KernelNode, live: [BufferID], _ readers: Readers,
    _ memo: inout Memo, _ options: NPUCompiler.Options
  ) -> [ProgramCompiler] {
    guard let first = beam.first else { return [] }
    let number = memo.number(of: NodeClass(node, in: first))
    var seen: [Memo.Place: [Outcome]] = [:]
    var found: [(state: Int, outcome: Outcome, rank: Double)] = []
    var foreseen: [[Layout?]: Int] = [:]
    let beside = readers.beside(node.result)
    for (index, state) in beam.enumerated() {
      let place = Memo.Place(
        layouts: node.operands.map { Layout(state.homes[$0]) },
        reserved: Layout(state.homes[state.joinings[node.result]?.target ?? node.result]),
        areInPlace: node.operands.map { state.isInPlace($0, in: node.result) },
        isAlone: state.beside.sharing == 0)
      // The beam is in the order of its ranks: the first try other layouts, all go on as their values lie.
      let effort = seen.count < 2 ? options.effort : 0
      let outcomes =
        seen[place] ?? memo.outcomes(number, place, effort: effort) { state.outcomes(node, effort: effort) }
      seen[place] = outcomes
      let others = beside.map { Layout(state.homes[$0]) }
      for outcome in outcomes {
        let key = [Layout(outcome.result)] + others
        let ticks = foreseen[key] ?? state.foreseenTicks(node.result, outcome.result, readers)
        foreseen[key] = ticks
        let owed = state.owed(outcome, node)
        let rank = state.rank(adding: outcome.spent, outcome.demand, owed.ticks - owed.paid)
        found.append((index, outcome, rank + Double(ticks)))
      }
    }
    let order = found.indices.sorted { (found[$0].rank, $0) < (found[$1].rank, $1) }
    var kept: [ProgramCompiler] = []
    var layouts: Set<[Layout?]> = []
    var alike: [Placement: Int] = [:]
    let width = options.beam(kernels: readers.live.count)
    for index in order where kept.count < width {
      let (state, outcome, _) = found[index]
      guard alike[outcome.result, default: 0] < Self.mostAlike else { continue }
      var next = beam[state]
      guard next.apply(outcome, node),
        layouts.insert((live + [node.result]).map { Layout(next.homes[$0]) }).inserted
      else { continue }
      alike[outcome.result, default: 0] += 1
      kept.append(next)
    }
    return kept
  }

  /// States with the result in the same layout that may differ in where other values lie.
  private static let mostAlike = 4

  /// What each mapping of a node would come to.
  private func outcomes(_ node: KernelNode, effort: Int) -> [Outcome] {
    guard let kernel = node.kernel else { return [] }
    var outcomes: [Outcome] = []
    // Constants that are dealt out and loaded beside the work: of copies in every slice nothing would become faster.
    var isHidden = false
    var fastest: Int?
    for candidate in ranked(mappings(node, kernel, effort: effort), node) {
      let mapping = candidate.mapping
      if case .tiled(_, let standing) = mapping, standing != .dealt, isHidden { continue }
      if let fastest, Self.isTooSlow(candidate.least, beside: fastest) { break }
      if case .tiled(_, .dealt) = mapping { isHidden = false }
      var next = self
      if let fastest { next.mostCopyTicks = copyTicks + Self.longestCopies(beside: fastest, machine) }
      guard (try? next.map(node, mapping, tiled: candidate.tiled)) != nil, let home = next.homes[node.result],
        let result = Layout(home)
      else { continue }
      var moved: [Outcome.Moved] = []
      for (operand, buffer) in node.operands.enumerated()
      where node.operands.firstIndex(of: buffer) == operand {
        guard let (before, after) = homes[buffer].flatMap({ old in next.homes[buffer].map { (old, $0) } }),
          let layout = Layout(after), layout != Layout(before) || after.owned != before.owned
        else { continue }
        moved.append(
          Outcome.Moved(
            operand: operand, placement: layout.placement,
            bytes: after.owned == before.owned ? nil : after.owned?.count))
      }
      let spent = next.spent(since: self)
      let ticks = spent.ticks(after: beside)
      fastest = min(fastest ?? ticks, ticks)
      if case .tiled(_, .dealt) = mapping {
        isHidden = ticks == spent.main + spent.copies
      }
      let target = joinings[node.result]?.target
      let tile = target.flatMap { next.homes[$0] }
      let isJoined = tile?.owned != nil && tile?.owned == home.owned
      var reserving: (placement: Placement, bytes: Int)?
      if isJoined, let target, homes[target] == nil, let layout = Layout(tile), let bytes = tile?.owned?.count
      {
        reserving = (layout.placement, bytes)
      }
      outcomes.append(
        Outcome(
          choice: Choice(relief: .none, mapping: mapping), spent: spent,
          demand: next.residentDemand - residentDemand, result: result.placement, bytes: home.owned?.count,
          isJoined: isJoined, reserving: reserving,
          isReserved: reserved.contains(node.result) && home.owned == homes[node.result]?.owned
            && home.placement.base == homes[node.result]?.placement.base, moved: moved,
          registerLoads: next.registerLoads, wordLoads: next.wordLoads))
    }
    return outcomes
  }

  /// A mapping, how it cuts a contraction with a constant, and ticks that it takes at least.
  private struct Candidate {
    var mapping: Choice.Mapping
    var tiled: TiledContraction?
    var least: Int
  }

  /// Those with the least ticks first.
  private func ranked(_ mappings: [Choice.Mapping], _ node: KernelNode) -> [Candidate] {
    let candidates = mappings.map { mapping in
      guard case .tiled(let geometry, _) = mapping, let tiled = tiling(node, geometry) else {
        return Candidate(mapping: mapping, least: 0)
      }
      return Candidate(mapping: mapping, tiled: tiled, least: tiled.leastTicks(machine))
    }
    return candidates.enumerated().sorted { ($0.element.least, $0.offset) < ($1.element.least, $1.offset) }
      .map(\.element)
  }

  /// Mappings that take longer than five quarters of the fastest are not worth a try: what lies better then does not make up for it.
  private static func isTooSlow(_ least: Int, beside fastest: Int) -> Bool { 4 * least > 5 * fastest }

  /// Nor are copies that take longer than this.
  private static func longestCopies(beside fastest: Int, _ machine: SliceMachine) -> Int {
    3 * fastest + 2 * machine.dmaStartupCycles * machine.ticksPerCycle
  }

  /// Ticks that a concatenation will take for the result, and those that a concatenation was expected to take for its parts.
  private func owed(_ outcome: Outcome, _ node: KernelNode) -> (ticks: Int, paid: Int) {
    let paid = node.operands.reduce(0) {
      $0 + (joinings[$1]?.target == node.result ? self.owed[$1] ?? 0 : 0)
    }
    return (outcome.isJoined ? 0 : joiningTicks(node.result, outcome.result), paid)
  }

  /// Takes over an outcome without doing it again; false where there is no room.
  private mutating func apply(_ outcome: Outcome, _ node: KernelNode) -> Bool {
    let owed = owed(outcome, node)
    for operand in node.operands where joinings[operand]?.target == node.result { self.owed[operand] = nil }
    if owed.ticks > 0 { self.owed[node.result] = owed.ticks }
    for moved in outcome.moved {
      let buffer = node.operands[moved.operand]
      guard let home = homes[buffer] else { return false }
      var placement = moved.placement
      guard let bytes = moved.bytes else {
        placement.base += home.owned?.lowerBound ?? home.placement.base
        homes[buffer]?.placement = placement
        continue
      }
      guard let offset = sram.allocate(bytes) else { return false }
      placement.base += offset
      vacate(buffer)
      settle(buffer, placement, owned: offset..<(offset + bytes))
    }
    var placement = outcome.result
    if outcome.isReserved {
      reserved.remove(node.result)
      homes[node.result]?.placement.repeats = placement.repeats
    } else if outcome.isJoined, let target = joinings[node.result]?.target {
      if let reserving = outcome.reserving {
        guard let offset = sram.allocate(reserving.bytes) else { return false }
        var whole = reserving.placement
        whole.base += offset
        settle(target, whole, owned: offset..<(offset + reserving.bytes))
        reserved.insert(target)
      }
      guard let owned = homes[target]?.owned else { return false }
      placement.base += owned.lowerBound
      settle(node.result, placement, owned: owned)
    } else if let bytes = outcome.bytes {
      giveUpReserved(node.result)
      guard let offset = sram.allocate(bytes) else { return false }
      placement.base += offset
      settle(node.result, placement, owned: offset..<(offset + bytes))
    } else {
      giveUpReserved(node.result)
      settle(node.result, placement, owned: nil)
    }
    residentDemand += outcome.demand
    registerLoads = outcome.registerLoads
    wordLoads = outcome.wordLoads
    count(outcome.spent, outcome.choice)
    return true
  }

  /// A node placed the only way, or with room made for it.
  private func placed(_ node: KernelNode, _ options: NPUCompiler.Options) throws(Failure) -> ProgramCompiler {
    guard let kernel = node.kernel, Self.isMapped(node) else {
      var next = self
      try next.place(node, Choice(), options)
      next.count(next.spent(since: self), Choice())
      return next
    }
    var reason = "no mapping"
    for relief in Choice.Relief.allCases {
      var best: ProgramCompiler?
      var relieved = self
      if relief != .pieces { try relieved.relieve(relief, node) }
      let mappings: [Choice.Mapping?] =
        relief == .pieces ? [nil] : relieved.mappings(node, kernel, effort: options.effort)
      for mapping in mappings {
        var next = self
        let choice = Choice(relief: relief, mapping: mapping)
        do {
          try next.place(node, choice, options)
          next.count(next.spent(since: self), choice)
          if let least = best, least.rank() <= next.rank() { continue }
          best = next
        } catch {
          if case .doesNotFit(let what) = error { reason = what }
        }
      }
      if let best { return best }
    }
    throw .doesNotFit(reason)
  }

  // MARK: Costs

  private func spent(since before: ProgramCompiler) -> Work {
    var spent = run.work - before.run.work
    spent.copies = copyTicks - before.copyTicks
    spent.streamed = streamTicks - before.streamTicks
    spent.staged = stagingTicks - before.stagingTicks
    return spent
  }

  /// Ticks, with a price on what stays resident; after `spent` more.
  private func rank(adding spent: Work = Work(), _ demand: Int = 0, _ owed: Int = 0) -> Double {
    let compute = computeTicks + spent.ticks(after: beside) + staging.wait(spent, at: computeTicks)
    let stream = countedStreamTicks + streamed(spent)
    return Double(max(compute, stream)) + Double(min(compute, stream)) / hiddenTicks
      + Double(residentDemand + demand) * residentPrice + Double(self.owed.values.reduce(owed, +))
  }

  /// What streams; where all constants do, they wait for copies that take their engines.
  private func streamed(_ spent: Work) -> Int { spent.streamed + (resident == nil ? spent.copies : 0) }

  /// Adds what a node costs.
  private mutating func count(_ spent: Work, _ choice: Choice) {
    let now = computeTicks
    computeTicks += spent.ticks(after: beside) + staging.wait(spent, at: now)
    staging.add(spent, at: now)
    // What streams comes when it comes.
    if resident != nil { beside = spent.beside(after: beside) }
    countedStreamTicks += streamed(spent)
    choices.append(choice)
    works.append(spent)
  }
}
