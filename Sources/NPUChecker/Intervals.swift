/// Places of one memory: half-open intervals in ascending order that neither overlap nor touch.
struct Intervals: Hashable, Sendable {
  typealias Interval = Range<Int>

  private(set) var list: [Interval]
  /// Places before merging: larger than `count` where some place was named twice.
  private(set) var named: Int

  /// More separate runs than any sensible program has; beyond, the hull stands for the set.
  static let limit = 1 << 21

  init(_ interval: Interval) {
    list = interval.isEmpty ? [] : [interval]
    named = interval.count
  }

  /// Of offsets, each of them one place.
  init(points: [Int]) {
    list = []
    named = points.count
    for point in points.sorted() { append(point..<(point + 1)) }
  }

  var isEmpty: Bool { list.isEmpty }
  var count: Int { list.reduce(0) { $0 + $1.count } }
  var hull: Interval { (list.first?.lowerBound ?? 0)..<(list.last?.upperBound ?? 0) }
  var namesTwice: Bool { named != count }

  private mutating func append(_ interval: Interval) {
    if let last = list.last, interval.lowerBound <= last.upperBound {
      list[list.count - 1] = last.lowerBound..<max(last.upperBound, interval.upperBound)
    } else if !interval.isEmpty {
      list.append(interval)
    }
  }

  /// The union of this set moved by every offset. Returns false if it became too large and the hull stands for
  /// it now.
  mutating func spread(over offsets: [Int]) -> Bool {
    guard offsets != [0] else { return true }
    guard !offsets.isEmpty, !list.isEmpty else {
      self = Intervals(0..<0)
      return true
    }
    named *= offsets.count
    guard list.count * offsets.count <= Self.limit else {
      let low = offsets.min() ?? 0
      let high = offsets.max() ?? 0
      list = [(hull.lowerBound + low)..<(hull.upperBound + high)]
      return false
    }
    let base = list
    let sorted = offsets.sorted()
    let gaps = zip(sorted, sorted.dropFirst()).allSatisfy { $1 - $0 >= hull.count }
    list = []
    if gaps {
      for offset in sorted {
        for interval in base {
          append((interval.lowerBound + offset)..<(interval.upperBound + offset))
        }
      }
      return true
    }
    var all: [Interval] = []
    all.reserveCapacity(base.count * sorted.count)
    for offset in sorted {
      for interval in base { all.append((interval.lowerBound + offset)..<(interval.upperBound + offset)) }
    }
    all.sort { $0.lowerBound < $1.lowerBound }
    for interval in all { append(interval) }
    return true
  }

  /// The same for `count` steps of `stride`, without listing them where the steps touch.
  mutating func spread(_ count: Int, by stride: Int) -> Bool {
    guard count > 1 else { return true }
    if list.count == 1, abs(stride) <= hull.count {
      named *= count
      let reach = stride * (count - 1)
      list = [(hull.lowerBound + min(reach, 0))..<(hull.upperBound + max(reach, 0))]
      return true
    }
    guard list.count * count <= Self.limit else { return spread(over: [0, stride * (count - 1)]) && false }
    return spread(over: (0..<count).map { $0 * stride })
  }

  func moved(by offset: Int) -> Intervals {
    var copy = self
    copy.list = list.map { ($0.lowerBound + offset)..<($0.upperBound + offset) }
    return copy
  }

  mutating func formUnion(_ other: Intervals) {
    named += other.named
    let all = (list + other.list).sorted { $0.lowerBound < $1.lowerBound }
    list = []
    for interval in all { append(interval) }
  }

  /// A place that both hold, or nil.
  func common(with other: Intervals) -> Int? {
    var (left, right) = (0, 0)
    while left < list.count, right < other.list.count {
      let start = max(list[left].lowerBound, other.list[right].lowerBound)
      if start < min(list[left].upperBound, other.list[right].upperBound) { return start }
      if list[left].upperBound <= other.list[right].upperBound { left += 1 } else { right += 1 }
    }
    return nil
  }
}
