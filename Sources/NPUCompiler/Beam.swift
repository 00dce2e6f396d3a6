import KernelIR
import Support

/// The cheapest ways to go on: of those with all values in the same layouts only the first, and few with the result of the
/// last node in the same.
struct Beam {
  private struct Entry {
    var rank: Double
    var outcome: Outcome
    var layouts: [Layout?]
    var state: ProgramCompiler
  }

  private let width: Int
  /// In order; of equal ranks the first that came.
  private var entries: [Entry] = []

  /// States with the result in the same layout that may differ in where other values lie.
  private static let mostAlike = 4

  init(width: Int) { self.width = width }

  /// What is not below this rank is not kept.
  var worst: Double { entries.count < width ? .infinity : entries[width - 1].rank }

  var states: [(ProgramCompiler, Outcome)] { entries.map { ($0.state, $0.outcome) } }

  /// - Parameters:
  ///   - values: that are alive behind the node.
  ///   - make: the state with the outcome; nil where there is no room.
  mutating func insert(
    _ rank: Double, _ outcome: Outcome, _ values: [BufferID], make: () -> ProgramCompiler?
  ) {
    guard rank < worst else { return }
    let place = entries.firstIndex { rank < $0.rank } ?? entries.count
    func isAlike(_ entry: Entry) -> Bool { entry.outcome.result == outcome.result }
    guard entries[..<place].count(where: isAlike) < Self.mostAlike, let state = make() else { return }
    let layouts = values.map { Layout(state.homes[$0]) }
    let same = entries.firstIndex { $0.layouts == layouts }
    if let same, same < place { return }
    if let same { entries.remove(at: same) }
    entries.insert(Entry(rank: rank, outcome: outcome, layouts: layouts, state: state), at: place)
    if entries.count(where: isAlike) > Self.mostAlike, let last = entries.lastIndex(where: isAlike) {
      entries.remove(at: last)
    }
    if entries.count > width { entries.removeLast() }
  }
}
