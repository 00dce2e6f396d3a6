/// What is known of every place of one memory: who wrote it last, and who has read it since.
struct MemoryMap {
  /// The last writer: an event's number, or one of the marks.
  enum Writer {
    static let nobody: Int32 = -1
    static let image: Int32 = -2
    static let input: Int32 = -3
    static let load: Int32 = -4
  }

  struct State: Equatable {
    var writer = Writer.nobody
    /// The latest reader of each context since the last write, by the event's number.
    var readers: [Int32] = []
  }

  /// Segment n reaches from starts[n] to starts[n + 1]; the last has no end.
  private var starts: [Int] = [Int.min]
  private var states: [State] = [State()]

  /// The number of the segment that holds `place`.
  private func segment(of place: Int) -> Int {
    var (low, high) = (0, starts.count)
    while high - low > 1 {
      let middle = (low + high) / 2
      if starts[middle] <= place { low = middle } else { high = middle }
    }
    return low
  }

  private mutating func split(at place: Int) -> Int {
    let index = segment(of: place)
    guard starts[index] != place else { return index }
    starts.insert(place, at: index + 1)
    states.insert(states[index], at: index + 1)
    return index + 1
  }

  /// Every state within the interval is seen by `change`, with the first place that has it.
  mutating func update(_ interval: Range<Int>, _ change: (inout State, Int) -> Void) {
    guard !interval.isEmpty else { return }
    let first = split(at: interval.lowerBound)
    let end = split(at: interval.upperBound)
    for index in first..<end { change(&states[index], starts[index]) }
    merge(from: max(first - 1, 0), to: min(end, states.count - 1))
  }

  /// The same without changing anything.
  func visit(_ interval: Range<Int>, _ body: (State, Int) -> Void) {
    guard !interval.isEmpty else { return }
    var index = segment(of: interval.lowerBound)
    while index < starts.count, starts[index] < interval.upperBound {
      body(states[index], max(starts[index], interval.lowerBound))
      index += 1
    }
  }

  mutating func set(_ interval: Range<Int>, _ state: State) {
    guard !interval.isEmpty else { return }
    let first = split(at: interval.lowerBound)
    let end = split(at: interval.upperBound)
    starts.removeSubrange((first + 1)..<end)
    states.removeSubrange((first + 1)..<end)
    states[first] = state
    merge(from: max(first - 1, 0), to: min(first + 1, states.count - 1))
  }

  mutating func updateAll(_ change: (inout State) -> Void) {
    for index in states.indices { change(&states[index]) }
    merge(from: 0, to: states.count - 1)
  }

  /// Joins neighbours of segments first … last that are equal.
  private mutating func merge(from first: Int, to last: Int) {
    guard last > first else { return }
    var kept = first
    for index in (first + 1)...last {
      if states[index] == states[kept] { continue }
      kept += 1
      if kept != index {
        states[kept] = states[index]
        starts[kept] = starts[index]
      }
    }
    guard kept < last else { return }
    starts.removeSubrange((kept + 1)...last)
    states.removeSubrange((kept + 1)...last)
  }
}
