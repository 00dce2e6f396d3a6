import KernelIR
import Machine
import NPUISA
import Support
import Tensors

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

  /// The cheapest states after a node. Ways to place it are tried once per layout of the operands, and no further than they
  /// may be among those.
  /// - Parameter live: other values that are read later.
  private static func kept(
    _ beam: [ProgramCompiler], _ node: KernelNode, live: [BufferID], _ readers: Readers,
    _ memo: inout Memo, _ options: NPUCompiler.Options
  ) -> [ProgramCompiler] {
    guard let first = beam.first else { return [] }
    let number = memo.number(of: NodeClass(node, in: first))
    var seen: [Memo.Place: Int] = [:]
    var foreseen: [[Layout?]: Int] = [:]
    var next = Beam(width: options.beam(kernels: readers.live.count))
    let beside = readers.beside(node.result)
    let values = live + [node.result]
    for state in beam {
      let paid = state.paid(node)
      let limit = state.slack(below: next.worst, paid)
      guard limit >= 0 else { continue }
      let place = Memo.Place(
        layouts: node.operands.map { Layout(state.homes[$0]) },
        reserved: Layout(state.homes[state.joinings[node.result]?.target ?? node.result]),
        areInPlace: node.operands.map { state.isInPlace($0, in: node.result) },
        isAlone: state.beside.sharing == 0)
      // The beam is in the order of its ranks: the first try other layouts, all go on as their values lie.
      let effort = seen.count < 2 ? options.effort : 0
      let attempts =
        seen[place]
        ?? memo.attempts(number, place, effort: effort) { state.attempts(node, effort: effort) }
      seen[place] = attempts
      state.tryOn(&memo[attempts], node, limit: limit)
      let others = beside.map { Layout(state.homes[$0]) }
      for outcome in memo[attempts].outcomes {
        var rank = state.rank(adding: outcome.spent, outcome.demand, state.owed(outcome, node) - paid)
        guard rank < next.worst else { continue }
        let key = [Layout(outcome.result)] + others
        let ticks = foreseen[key] ?? state.foreseenTicks(node.result, outcome.result, readers)
        foreseen[key] = ticks
        rank += Double(ticks)
        next.insert(rank, outcome, values) {
          var placed = state
          return placed.take(outcome, node) ? placed : nil
        }
      }
    }
    return next.ways.map { way in
      var state = way.state
      state.count(way.outcome.spent, way.outcome.choice)
      return state
    }
  }

  /// Ticks that a concatenation was expected to take for its parts.
  private func paid(_ node: KernelNode) -> Int {
    node.operands.reduce(0) { $0 + (joinings[$1]?.target == node.result ? owed[$1] ?? 0 : 0) }
  }

  /// Ticks that a concatenation will take for the result.
  private func owed(_ outcome: Outcome, _ node: KernelNode) -> Int {
    outcome.isJoined ? 0 : joiningTicks(node.result, outcome.result)
  }

  /// Takes over where an outcome leaves values, without doing it again; false where there is no room.
  private mutating func take(_ outcome: Outcome, _ node: KernelNode) -> Bool {
    let ticks = owed(outcome, node)
    for operand in node.operands where joinings[operand]?.target == node.result { owed[operand] = nil }
    if ticks > 0 { owed[node.result] = ticks }
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
        relief == .pieces
        ? [nil] : relieved.candidates(node, kernel, effort: options.effort).flatMap(\.mappings)
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

  func spent(since before: ProgramCompiler) -> Work {
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

  /// Ticks of work that may be added at most for a rank of no more than `rank`.
  /// - Parameter paid: ticks that it saves a concatenation.
  private func slack(below rank: Double, _ paid: Int) -> Int {
    guard rank < .infinity else { return .max }
    let rest = rank - Double(residentDemand) * residentPrice - Double(owed.values.reduce(-paid, +))
    let stream = Double(countedStreamTicks)
    // Ticks beside what streams count little.
    let beside = (rest - stream) * hiddenTicks
    let compute = beside <= stream ? beside : rest - stream / hiddenTicks
    return Int(compute.rounded(.up)) - computeTicks
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
