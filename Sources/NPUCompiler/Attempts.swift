import KernelIR
import Machine
import NPUISA
import Support
import Tensors

/// Where a value lies, but for the place of its interval.
struct Layout: Hashable {
  var placement: Placement

  init(_ placement: Placement) { self.placement = placement }

  init?(_ home: ProgramCompiler.Home?) {
    guard let home else { return nil }
    placement = home.placement
    placement.base = home.owned.map { placement.base - $0.lowerBound } ?? 0
  }
}

/// What placing a kernel in one way costs, and where its values lie then.
struct Outcome {
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
struct NodeClass: Hashable {
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

/// One mapping, or all standings of one geometry.
struct Candidate {
  var mappings: [ProgramCompiler.Choice.Mapping]
  /// How it cuts a contraction with a constant.
  var tiled: TiledContraction?
  /// Ticks that it takes at least.
  var least = 0

  init(_ mapping: ProgramCompiler.Choice.Mapping) { mappings = [mapping] }

  init(mappings: [ProgramCompiler.Choice.Mapping], tiled: TiledContraction, least: Int) {
    self.mappings = mappings
    self.tiled = tiled
    self.least = least
  }
}

/// Ways to place nodes of a class where their operands lie so: those with the least bounds first, and tried only as far as
/// they may be of use.
struct Attempts {
  fileprivate let candidates: [Candidate]
  /// Of the candidates, those with the least bounds first.
  fileprivate let order: [Int]
  /// In that order, the first that was not tried yet.
  fileprivate var next = 0
  /// Those whose copies were too long to be of use so far.
  fileprivate var late: [Int] = []
  fileprivate var limit = Int.min
  /// Ticks of the fastest outcome.
  fileprivate var fastest: Int?
  fileprivate(set) var outcomes: [Outcome] = []

  init(_ candidates: [Candidate]) {
    self.candidates = candidates
    order = candidates.indices.sorted { (candidates[$0].least, $0) < (candidates[$1].least, $1) }
  }
}

/// Attempts by class of node, layouts of the operands, and effort.
struct Memo {
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
  private var numbers: [Key: Int] = [:]
  private var attempts: [Attempts] = []

  mutating func number(of node: NodeClass) -> Int {
    let number = classes[node] ?? classes.count
    classes[node] = number
    return number
  }

  /// The number of the attempts that `make` begins where there are none.
  mutating func attempts(_ node: Int, _ place: Place, effort: Int, make: () -> Attempts) -> Int {
    let key = Key(node: node, place: place, effort: effort)
    if let known = numbers[key] { return known }
    attempts.append(make())
    numbers[key] = attempts.count - 1
    return attempts.count - 1
  }

  subscript(number: Int) -> Attempts {
    get { attempts[number] }
    _modify { yield &attempts[number] }
  }
}

extension ProgramCompiler {
  func attempts(_ node: KernelNode, effort: Int) -> Attempts {
    Attempts(node.kernel.map { candidates(node, $0, effort: effort) } ?? [])
  }

  /// Tries what may take no more than `limit` ticks.
  func tryOn(_ attempts: inout Attempts, _ node: KernelNode, limit: Int) {
    guard limit > attempts.limit else { return }
    attempts.limit = limit
    let late = attempts.late
    attempts.late = []
    for number in late { attempt(number, &attempts, node) }
    while attempts.next < attempts.order.count {
      let number = attempts.order[attempts.next]
      let least = attempts.candidates[number].least
      guard least <= limit else { return }
      // Nor is what comes behind it of use.
      if let fastest = attempts.fastest, Self.isTooSlow(least, beside: fastest) {
        attempts.next = attempts.order.count
        return
      }
      attempts.next += 1
      attempt(number, &attempts, node)
    }
  }

  private func attempt(_ number: Int, _ attempts: inout Attempts, _ node: KernelNode) {
    let candidate = attempts.candidates[number]
    // Constants that are dealt out and loaded beside the work: of copies in every slice nothing would become faster.
    var isHidden = false
    for mapping in candidate.mappings where !isHidden {
      var next = self
      let useful = attempts.limit - candidate.least
      let longest = attempts.fastest.map { Self.longestCopies(beside: $0, machine) } ?? .max
      let (most, isAny) = copyTicks.addingReportingOverflow(min(useful, longest))
      next.mostCopyTicks = isAny ? .max : most
      guard (try? next.map(node, mapping, tiled: candidate.tiled)) != nil,
        let outcome = outcome(of: node, mapping, next)
      else {
        if next.copyTicks > next.mostCopyTicks, useful < longest { return attempts.late.append(number) }
        continue
      }
      let ticks = outcome.spent.ticks(after: beside)
      attempts.fastest = min(attempts.fastest ?? ticks, ticks)
      if case .tiled(_, .dealt) = mapping { isHidden = ticks == outcome.spent.main + outcome.spent.copies }
      attempts.outcomes.append(outcome)
    }
  }

  /// What became of a node that `next` placed.
  private func outcome(of node: KernelNode, _ mapping: Choice.Mapping, _ next: ProgramCompiler) -> Outcome? {
    guard let home = next.homes[node.result], let result = Layout(home) else { return nil }
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
    let target = joinings[node.result]?.target
    let tile = target.flatMap { next.homes[$0] }
    let isJoined = tile?.owned != nil && tile?.owned == home.owned
    var reserving: (placement: Placement, bytes: Int)?
    if isJoined, let target, homes[target] == nil, let layout = Layout(tile), let bytes = tile?.owned?.count {
      reserving = (layout.placement, bytes)
    }
    return Outcome(
      choice: Choice(relief: .none, mapping: mapping), spent: spent,
      demand: next.residentDemand - residentDemand, result: result.placement, bytes: home.owned?.count,
      isJoined: isJoined, reserving: reserving,
      isReserved: reserved.contains(node.result) && home.owned == homes[node.result]?.owned
        && home.placement.base == homes[node.result]?.placement.base, moved: moved,
      registerLoads: next.registerLoads, wordLoads: next.wordLoads)
  }

  /// Mappings that take longer than five quarters of the fastest are not worth a try: what lies better then does not make up for it.
  private static func isTooSlow(_ least: Int, beside fastest: Int) -> Bool { 4 * least > 5 * fastest }

  /// Nor are copies that take longer than this.
  private static func longestCopies(beside fastest: Int, _ machine: SliceMachine) -> Int {
    3 * fastest + 2 * machine.dmaStartupCycles * machine.ticksPerCycle
  }
}
