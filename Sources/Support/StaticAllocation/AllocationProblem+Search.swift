extension AllocationProblem {
  /// Exact, part by part, where a part is a set of items whose lifetimes hang together.
  func search(capacity: Int, nodeLimit: Int) -> StaticAllocator.Solution {
    var packing = [Int](repeating: 0, count: items.count)
    var nodes = 0
    for part in parts {
      var rounds = SearchRounds(self, part, capacity: capacity)
      let verdict = rounds.run(nodeLimit: nodeLimit - nodes)
      nodes += rounds.nodes
      switch verdict {
      case .found: for (item, offset) in rounds.packing { packing[item] = offset }
      case .refuted: return StaticAllocator.Solution(.infeasible, nodes: nodes)
      case .gaveUp: return StaticAllocator.Solution(.gaveUp, nodes: nodes)
      }
    }
    return StaticAllocator.Solution(.found(offsets: offsets(of: packing)), nodes: nodes)
  }

  /// The items between borders that none crosses, fewest first.
  private var parts: [[Int]] {
    var parts: [[Int]] = []
    var end = 0
    for item in items.indices.sorted(by: { items[$0].sections.lowerBound < items[$1].sections.lowerBound }) {
      if items[item].sections.lowerBound >= end { parts.append([]) }
      parts[parts.count - 1].append(item)
      end = max(end, items[item].sections.upperBound)
    }
    return parts.sorted { $0.count < $1.count }
  }
}

/// Searches of one part in turn, until one of them decides. They either succeed almost at once or hardly ever, so most
/// are short and differ in strategy and order of items. One in between is twice as long as the last of its kind, so
/// that what can be decided will be; it takes a third of all nodes.
private struct SearchRounds {
  private enum Key: CaseIterable {
    case lifetime
    case area
    case contention
    case size
  }

  private let problem: AllocationProblem
  private let part: [Int]
  private let capacity: Int
  /// What the orders are by; of every item of the part.
  private let keys: [Key: [Double]]
  private var random = SeededRandom(seed: 1)
  private var failures: [Int]?
  private(set) var nodes = 0
  private(set) var packing: [(item: Int, offset: Int)] = []

  /// How much of a key is left to chance from the second round on.
  private static let noise = 0.5
  private static let kinds: [(strategy: AllocationSearch.Strategy, key: Key)] = [
    (.narrowest, .lifetime), (.narrowest, .size), (.failing, .lifetime), (.narrowest, .area),
    (.lowest, .contention), (.narrowest, .contention),
  ]

  init(_ problem: AllocationProblem, _ part: [Int], capacity: Int) {
    self.problem = problem
    self.part = part
    self.capacity = capacity
    let contentions = problem.contentions
    let entries = part.map { problem.items[$0] }
    let lifetimes = entries.map { item in
      Double(problem.buffers[item.buffer].end) - Double(problem.buffers[item.buffer].start)
    }
    keys = [
      .lifetime: lifetimes, .area: zip(entries, lifetimes).map { Double($0.size) * $1 },
      .contention: part.map { Double(contentions[$0]) }, .size: entries.map { Double($0.size) },
    ]
  }

  mutating func run(nodeLimit: Int) -> AllocationSearch.Verdict {
    let short = max(256, 2 * part.count)
    var long = 4 * short
    var shortNodes = 0
    var round = 0
    while true {
      for (strategy, key) in Self.kinds {
        let before = nodes
        let verdict = search(
          strategy, order(by: key, noise: round == 0 ? 0 : Self.noise), min(short, nodeLimit - nodes))
        if verdict != .gaveUp || nodes >= nodeLimit { return verdict }
        shortNodes += nodes - before
        guard shortNodes >= 2 * long else { continue }
        let exhaustive = search(.failing, order(by: .lifetime, noise: 0), min(long, nodeLimit - nodes))
        if exhaustive != .gaveUp || nodes >= nodeLimit { return exhaustive }
        shortNodes -= 2 * long
        long *= 2
      }
      round += 1
    }
  }

  private mutating func search(
    _ strategy: AllocationSearch.Strategy, _ order: [Int], _ limit: Int
  ) -> AllocationSearch.Verdict {
    guard limit > 0 else { return .gaveUp }
    var search = AllocationSearch(
      problem, items: order, capacity: capacity, strategy: strategy, failures: failures)
    let verdict = search.run(nodeLimit: limit)
    nodes += search.nodes
    if strategy == .failing { failures = search.failures }
    if verdict == .found { packing = zip(order, search.low).map { ($0, $1) } }
    return verdict
  }

  /// The items by descending key; those that come first are placed first where all else is equal.
  private mutating func order(by key: Key, noise: Double) -> [Int] {
    let keys = keys[key, default: []].map { key in
      key * (1 + (noise > 0 ? noise * Double.random(in: 0..<1, using: &random) : 0))
    }
    return part.indices.sorted { keys[$0] != keys[$1] ? keys[$0] > keys[$1] : $0 < $1 }.map { part[$0] }
  }
}
