/// The exact depth-first search for offsets of items whose lifetimes hang together.
///
/// If there is a packing, there is a *settled* one: no item alone can move to a lower offset, so each lies at 0, at
/// its fixed offset, or on the end of another, brought to its alignment. Only these are searched, each in one way.
/// An unplaced item has a `low`, the lowest offset above all placed items that conflict with it, and a `bound` that
/// its offset cannot be below. It is *free* if both are equal; else it waits for an unplaced item to raise its `low`.
///
/// A node chooses a free item that no unplaced one can lie below, and either places it at its `low` or bars it from
/// there, which makes it wait. What follows for the bounds is drawn before each choice: an item that waits lies on an
/// unplaced item, and the items of a section have to be stackable within the capacity, whichever is lowest.
/// Where no unplaced item crosses the border of two sections any more, the sides are searched one after the other,
/// and a side without packing refutes both.
struct AllocationSearch {
  enum Verdict {
    case found
    case refuted
    case gaveUp
  }

  /// Which free item is placed next.
  enum Strategy {
    /// The lowest.
    case lowest
    /// One of the section in which the fewest items can be at the bottom; the lowest section of these.
    case narrowest
    /// The same, divided by the failures that a section has seen.
    case failing
  }

  /// What is known of the unplaced items of a section.
  struct Section {
    /// Their sizes.
    var total = 0
    /// The lowest bound.
    var floor = 0
    /// How many can be the lowest.
    var candidates = 0
  }

  // By item; the index is the rank among equally low ones.
  private let size: [Int]
  private let alignment: [Int]
  private let first: [Int]
  /// Behind the last section.
  private let end: [Int]
  private let latest: [Int]
  private let isFixed: [Bool]
  private let fixedItems: [Int]
  private let capacity: Int
  private let strategy: Strategy

  /// Of a placed item, its offset.
  private(set) var low: [Int]
  private var bound: [Int]
  private var isPlaced: [Bool]
  /// The unplaced items of every part of the search that is under way, one slice each.
  private var open: [Int]

  // By section.
  private var sections: [Section]
  private(set) var failures: [Int]
  /// Unplaced items that also live in the section before.
  private var crossings: [Int]
  /// Where the items of each section start in the next two, which are nearly sorted by `bound` and by end.
  private var memberStarts: [Int]
  private var byBound: [Int]
  private var byEnd: [Int]
  private var isDirty: [Bool]
  /// Sections of which an item changed since `sections` was computed.
  private var dirty: [Int] = []
  /// What `lift` found.
  private var lifted: [(item: Int, lowest: Int)] = []

  // What to restore, from the end.
  private var itemLog: [(item: Int, low: Int, bound: Int)] = []
  private var sectionLog: [(section: Int, before: Section)] = []
  private var placed: [Int] = []

  private(set) var nodes = 0
  private var nodeLimit = 0

  init(
    _ problem: AllocationProblem, items: [Int], capacity: Int, strategy: Strategy, failures: [Int]? = nil
  ) {
    let entries = items.map { problem.items[$0] }
    size = entries.map(\.size)
    alignment = entries.map(\.alignment)
    first = entries.map(\.sections.lowerBound)
    end = entries.map(\.sections.upperBound)
    latest = entries.map { problem.latest($0, capacity: capacity) }
    isFixed = entries.map { $0.fixed != nil }
    fixedItems = entries.indices.filter { entries[$0].fixed != nil }
    self.capacity = (capacity + problem.unit - 1) / problem.unit
    self.strategy = strategy
    low = entries.map { $0.fixed ?? 0 }
    bound = low
    isPlaced = Array(repeating: false, count: entries.count)
    open = Array(entries.indices)
    sections = Array(repeating: Section(), count: problem.sectionCount)
    self.failures = failures ?? Array(repeating: 1, count: problem.sectionCount)
    crossings = Array(repeating: 0, count: problem.sectionCount)
    var members = [[Int]](repeating: [], count: problem.sectionCount)
    for item in entries.indices {
      for section in first[item]..<end[item] { members[section].append(item) }
    }
    memberStarts = members.reduce(into: [0]) { $0.append($0[$0.count - 1] + $1.count) }
    byBound = members.flatMap { $0 }
    byEnd = byBound
    isDirty = Array(repeating: false, count: problem.sectionCount)
    for item in entries.indices {
      for border in borders(of: item) { crossings[border] += 1 }
      if !isFixed[item] { low[item] = settled(item, from: 0) }
      bound[item] = low[item]
    }
    for section in members.indices where !members[section].isEmpty { touch(section) }
    placed.reserveCapacity(entries.count)
    itemLog.reserveCapacity(64 * entries.count)
    sectionLog.reserveCapacity(64 * entries.count)
  }

  /// Searches; once. If `found`, `low` holds the offsets.
  mutating func run(nodeLimit: Int) -> Verdict {
    self.nodeLimit = nodeLimit
    guard low.indices.allSatisfy({ low[$0] <= latest[$0] }) else { return .refuted }
    return place(0..<open.count, (first.min() ?? 0)..<(end.max() ?? 0))
  }

  /// Places all of `open[part]`, which live in `range`. Whoever sees `refuted` undoes what it left.
  private mutating func place(_ part: Range<Int>, _ range: Range<Int>) -> Verdict {
    guard !part.isEmpty else { return .found }
    while propagate(part), let place = choose(part, range) {
      let item = open[place]
      guard nodes < nodeLimit else { return .gaveUp }
      nodes += 1
      open.swapAt(part.lowerBound, place)
      let rest = (part.lowerBound + 1)..<part.upperBound
      let marks = (itemLog.count, sectionLog.count, placed.count)
      if take(item, rest: rest) {
        let verdict = placeSides(rest, range, around: item)
        guard verdict == .refuted else { return verdict }
      }
      undo(to: marks)
      raise(item, low: low[item], bound: settled(item, from: low[item] + 1))
    }
    return .refuted
  }

  /// Splits at every border in the item's lifetime that no unplaced item crosses any more.
  private mutating func placeSides(_ part: Range<Int>, _ range: Range<Int>, around item: Int) -> Verdict {
    var (part, range) = (part, range)
    for border in borders(of: item) where crossings[border] == 0 {
      var middle = part.lowerBound
      for place in part where end[open[place]] <= border {
        open.swapAt(place, middle)
        middle += 1
      }
      let verdict = place(part.lowerBound..<middle, range.lowerBound..<border)
      guard verdict == .found else { return verdict }
      part = middle..<part.upperBound
      range = border..<range.upperBound
    }
    return place(part, range)
  }

  // MARK: Changes

  private func borders(of item: Int) -> Range<Int> { (first[item] + 1)..<max(end[item], first[item] + 1) }

  private func conflict(_ left: Int, _ right: Int) -> Bool {
    first[left] < end[right] && first[right] < end[left]
  }

  /// Places the item, and raises what conflicts with it. False if one of these cannot be placed any more.
  private mutating func take(_ item: Int, rest: Range<Int>) -> Bool {
    placed.append(item)
    isPlaced[item] = true
    for section in first[item]..<end[item] { touch(section) }
    for border in borders(of: item) { crossings[border] -= 1 }
    let top = low[item] + size[item]
    for place in rest {
      let other = open[place]
      guard low[other] < top, conflict(item, other) else { continue }
      let offset = settled(other, from: top)
      raise(other, low: offset, bound: max(offset, bound[other]))
      guard bound[other] <= latest[other] else { return false }
    }
    return true
  }

  private mutating func raise(_ item: Int, low newLow: Int, bound newBound: Int) {
    itemLog.append((item, low[item], bound[item]))
    low[item] = newLow
    guard bound[item] != newBound else { return }
    bound[item] = newBound
    for section in first[item]..<end[item] { touch(section) }
  }

  private mutating func touch(_ section: Int) {
    guard !isDirty[section] else { return }
    isDirty[section] = true
    dirty.append(section)
  }

  private mutating func undo(to marks: (items: Int, sections: Int, placed: Int)) {
    for section in dirty { isDirty[section] = false }
    dirty.removeAll(keepingCapacity: true)
    while itemLog.count > marks.items {
      let entry = itemLog.removeLast()
      low[entry.item] = entry.low
      bound[entry.item] = entry.bound
    }
    while sectionLog.count > marks.sections {
      let entry = sectionLog.removeLast()
      sections[entry.section] = entry.before
    }
    while placed.count > marks.placed {
      let item = placed.removeLast()
      isPlaced[item] = false
      for border in borders(of: item) { crossings[border] += 1 }
    }
  }

  /// The lowest offset from here on that is aligned and leaves the fixed items alone.
  private func settled(_ item: Int, from offset: Int) -> Int {
    guard !isFixed[item] else { return offset }
    var offset = offset
    if alignment[item] > 1 { offset += offset.paddingToMultiple(of: alignment[item]) }
    var isFree = fixedItems.isEmpty
    while !isFree {
      isFree = true
      for other in fixedItems where conflict(item, other) {
        let start = latest[other]
        guard offset < start + size[other], start < offset + size[item] else { continue }
        offset = start + size[other]
        offset += offset.paddingToMultiple(of: alignment[item])
        isFree = false
      }
    }
    return offset
  }

  // MARK: Inference

  /// Raises bounds until nothing follows any more. False if no packing is left.
  private mutating func propagate(_ part: Range<Int>) -> Bool {
    for place in part where bound[open[place]] > low[open[place]] {
      guard wait(open[place], part) else { return false }
    }
    // What these touch is left to the next call.
    let count = dirty.count
    for index in 0..<count {
      let section = dirty[index]
      isDirty[section] = false
      guard tighten(section) else {
        failures[section] += 1
        return false
      }
    }
    dirty.removeSubrange(..<count)
    return true
  }

  /// An item that waits lies on an unplaced one, and one of these keeps it from its `low`.
  private mutating func wait(_ item: Int, _ part: Range<Int>) -> Bool {
    let top = low[item] + size[item]
    var isKept = false
    var least = Int.max
    for place in part {
      let other = open[place]
      guard bound[other] < top, conflict(item, other), other != item else { continue }
      isKept = true
      least = min(least, bound[other] + size[other])
    }
    guard isKept else { return false }
    if least > bound[item] { raise(item, low: low[item], bound: settled(item, from: least)) }
    return bound[item] <= latest[item]
  }

  /// Stacks the unplaced items of a section in the order of their bounds, which is the lowest stack there is.
  private mutating func tighten(_ section: Int) -> Bool {
    let region = memberStarts[section]..<memberStarts[section + 1]
    for place in region.dropFirst() {
      let item = byBound[place]
      var hole = place
      while hole > region.lowerBound, bound[byBound[hole - 1]] > bound[item] {
        byBound[hole] = byBound[hole - 1]
        hole -= 1
      }
      byBound[hole] = item
    }
    var (count, total, height) = (0, 0, 0)
    var floor: Int?
    for place in region where !isPlaced[byBound[place]] {
      let item = byBound[place]
      floor = floor ?? bound[item]
      count += 1
      total += size[item]
      height = max(height, bound[item]) + size[item]
    }
    var candidates = 0
    for place in region where bound[byBound[place]] + total <= capacity {
      candidates += isPlaced[byBound[place]] ? 0 : 1
    }
    sectionLog.append((section, sections[section]))
    sections[section] = Section(total: total, floor: floor ?? 0, candidates: candidates)
    guard height <= capacity else { return false }
    return candidates == count || lift(region, total)
  }

  /// An item that cannot be the lowest of a section, as the stack would pass the capacity, lies above another. That
  /// is still so without those of the lowest ends, as long as these are not what makes the stack too high.
  private mutating func lift(_ region: Range<Int>, _ total: Int) -> Bool {
    for place in region.dropFirst() {
      let item = byEnd[place]
      let key = bound[item] + size[item]
      var hole = place
      while hole > region.lowerBound, bound[byEnd[hole - 1]] + size[byEnd[hole - 1]] > key {
        byEnd[hole] = byEnd[hole - 1]
        hole -= 1
      }
      byEnd[hole] = item
    }
    lifted.removeAll(keepingCapacity: true)
    for place in region.reversed() {
      let item = byBound[place]
      let excess = bound[item] + total - capacity
      guard excess > 0 else { break }
      guard !isPlaced[item] else { continue }
      var (left, lowest) = (0, 0)
      for place in region where !isPlaced[byEnd[place]] && byEnd[place] != item {
        let other = byEnd[place]
        lowest = bound[other] + size[other]
        left += size[other]
        guard left < excess else { break }
      }
      if lowest > bound[item] { lifted.append((item, lowest)) }
    }
    for (item, lowest) in lifted {
      raise(item, low: low[item], bound: settled(item, from: lowest))
      guard bound[item] <= latest[item] else { return false }
    }
    return true
  }

  // MARK: Choice

  /// The place of a free item that no unplaced one can lie below. Nil if none is free: then all wait in vain.
  private func choose(_ part: Range<Int>, _ range: Range<Int>) -> Int? {
    guard strategy != .lowest, let section = narrowest(range) else { return lowest(part) }
    var chosen: Int?
    var start: Int?
    for place in part {
      let item = open[place]
      guard bound[item] == low[item], first[item] <= section, section < end[item] else { continue }
      if start.map({ precedes(item, open[$0]) }) ?? true { start = place }
      if let chosen, precedes(open[chosen], item) { continue }
      if below(item, part) == nil { chosen = place }
    }
    if let chosen { return chosen }
    while let place = start, bound[open[place]] == low[open[place]] {
      guard let next = below(open[place], part) else { return place }
      start = next
    }
    return lowest(part)
  }

  private func narrowest(_ range: Range<Int>) -> Int? {
    var best: Int?
    for section in range where sections[section].total > 0 {
      guard let other = best else {
        best = section
        continue
      }
      var (left, right) = (sections[section].candidates, sections[other].candidates)
      if strategy == .failing { (left, right) = (left * failures[other], right * failures[section]) }
      if left < right || (left == right && sections[section].floor < sections[other].floor) { best = section }
    }
    return best
  }

  private func lowest(_ part: Range<Int>) -> Int? {
    var best: Int?
    for place in part where bound[open[place]] == low[open[place]] {
      if best.map({ precedes(open[place], open[$0]) }) ?? true { best = place }
    }
    return best
  }

  private func precedes(_ left: Int, _ right: Int) -> Bool {
    low[left] != low[right] ? low[left] < low[right] : left < right
  }

  /// The place of an item that may lie below this one's `low`.
  private func below(_ item: Int, _ part: Range<Int>) -> Int? {
    part.first {
      let other = open[$0]
      return bound[other] + size[other] <= low[item] && other != item && conflict(item, other)
    }
  }
}
