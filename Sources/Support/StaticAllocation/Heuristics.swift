/// Packings that are found without search: placing one item after the other, and hill climbing over the order.
struct Heuristics {
  private let problem: AllocationProblem
  /// By item, those that it conflicts with.
  private let neighbours: [[Int]]

  /// Re-placements that hill climbing may try, and how many without gain.
  private static let climbs = 400
  private static let patience = 150

  private init(_ problem: AllocationProblem) {
    self.problem = problem
    neighbours = problem.neighbours
  }

  /// The packing with the lowest peak in bytes that was met, or the first whose peak is at most `goal`; offsets in
  /// units.
  static func best(_ problem: AllocationProblem, goal: Int) -> (packing: [Int], peak: Int) {
    let heuristics = Heuristics(problem)
    var best = (packing: [Int](), peak: Int.max, order: [Int]())
    for order in heuristics.orders {
      for isTight in [true, false] {
        let packing = heuristics.place(order, isTight: isTight)
        let peak = problem.peak(of: packing)
        if peak < best.peak { best = (packing, peak, order) }
        if peak <= goal { return (packing, peak) }
      }
    }
    return heuristics.climb(best.order, from: (best.packing, best.peak), goal: goal)
  }

  /// By size, area, lifetime, contention and start; larger ones first, and fixed ones before all.
  private var orders: [[Int]] {
    let contentions = problem.contentions
    let keys = problem.items.indices.map { index -> [Double] in
      let item = problem.items[index]
      let buffer = problem.buffers[item.buffer]
      let (size, lifetime) = (Double(item.size), Double(buffer.end) - Double(buffer.start))
      return [size, size * lifetime, lifetime, Double(contentions[index]), -Double(buffer.start)]
    }
    return (0..<5).map { key in
      problem.items.indices.sorted { left, right in
        let isFixed = problem.items[left].fixed != nil
        guard isFixed == (problem.items[right].fixed != nil) else { return isFixed }
        if keys[left][key] != keys[right][key] { return keys[left][key] > keys[right][key] }
        return keys[left][0] != keys[right][0] ? keys[left][0] > keys[right][0] : left < right
      }
    }
  }

  /// Every item in turn in a gap between the placed ones: the tightest, or the lowest.
  private func place(_ order: [Int], isTight: Bool) -> [Int] {
    var offsets = [Int](repeating: -1, count: order.count)
    var taken: [Range<Int>] = []
    for index in order {
      let item = problem.items[index]
      if let fixed = item.fixed {
        offsets[index] = fixed
        continue
      }
      taken.removeAll(keepingCapacity: true)
      for other in neighbours[index] where offsets[other] >= 0 {
        taken.append(offsets[other]..<(offsets[other] + problem.items[other].size))
      }
      taken.sort { $0.lowerBound < $1.lowerBound }
      var (start, tightest) = (0, Int.max)
      var chosen: Int?
      for range in taken {
        if start + item.size <= range.lowerBound, range.lowerBound - start < tightest {
          (chosen, tightest) = (start, range.lowerBound - start)
          if !isTight { break }
        }
        let end = max(start, range.upperBound)
        start = end + end.paddingToMultiple(of: item.alignment)
      }
      offsets[index] = chosen ?? start
    }
    return offsets
  }

  /// Exchanges in the order one of the items under the peak with another of them, and keeps what is no worse.
  private func climb(
    _ order: [Int], from start: (packing: [Int], peak: Int), goal: Int
  ) -> (packing: [Int], peak: Int) {
    var (order, current, best) = (order, start, start)
    var random = SeededRandom(seed: 1)
    let movable = order.count { problem.items[$0].fixed == nil }
    guard movable > 1 else { return best }
    var fruitless = 0
    for _ in 0..<Self.climbs where fruitless < Self.patience {
      let places = supports(current.packing, order).filter { problem.items[order[$0]].fixed == nil }
      guard let left = places.randomElement(using: &random) else { break }
      var right = places.randomElement(using: &random) ?? left
      if left == right { right = order.count - 1 - Int.random(in: 0..<movable, using: &random) }
      order.swapAt(left, right)
      let packing = place(order, isTight: false)
      let peak = problem.peak(of: packing)
      guard peak <= current.peak else {
        order.swapAt(left, right)
        fruitless += 1
        continue
      }
      fruitless = peak < current.peak ? 0 : fruitless + 1
      current = (packing, peak)
      if peak < best.peak { best = current }
      if peak <= goal { break }
    }
    return best
  }

  /// The places in the order of the highest item, of all that it conflicts with, and of those on which it lies.
  private func supports(_ packing: [Int], _ order: [Int]) -> [Int] {
    func end(_ item: Int) -> Int { packing[item] + problem.items[item].size }
    guard let highest = order.max(by: { end($0) < end($1) }) else { return [] }
    var isMember = [Bool](repeating: false, count: packing.count)
    var pending = [highest]
    isMember[highest] = true
    while let item = pending.popLast() {
      for other in neighbours[item] where !isMember[other] && end(other) == packing[item] {
        isMember[other] = true
        pending.append(other)
      }
    }
    for other in neighbours[highest] { isMember[other] = true }
    return order.indices.filter { isMember[order[$0]] }
  }
}

extension AllocationProblem {
  /// By item, those that live at a time when it does.
  fileprivate var neighbours: [[Int]] {
    var neighbours = [[Int]](repeating: [], count: items.count)
    let order = items.indices.sorted { items[$0].sections.lowerBound < items[$1].sections.lowerBound }
    var alive: [Int] = []
    for item in order {
      alive.removeAll { items[$0].sections.upperBound <= items[item].sections.lowerBound }
      for other in alive {
        neighbours[item].append(other)
        neighbours[other].append(item)
      }
      alive.append(item)
    }
    return neighbours
  }
}
