import KernelIR
import Support

/// The cheapest ways to go on: of those with all values in the same layouts only the first, and few with the result of the
/// last node in the same.
struct Beam {
  /// A state and what it went on with.
  final class Way {
    let state: ProgramCompiler
    let outcome: Outcome
    fileprivate let rank: Double
    /// Of all values that are alive.
    fileprivate let layouts: [Layout?]

    fileprivate init(_ state: ProgramCompiler, _ outcome: Outcome, rank: Double, _ layouts: [Layout?]) {
      self.state = state
      self.outcome = outcome
      self.rank = rank
      self.layouts = layouts
    }
  }

  private let width: Int
  /// In order; of equal ranks the first that came.
  private(set) var ways: [Way] = []

  /// States with the result in the same layout that may differ in where other values lie.
  private static let mostAlike = 4

  init(width: Int) { self.width = width }

  /// What is not below this rank is not kept.
  var worst: Double { ways.count < width ? .infinity : ways[width - 1].rank }

  /// - Parameters:
  ///   - values: that are alive behind the node.
  ///   - make: the state with the outcome; nil where there is no room.
  mutating func insert(
    _ rank: Double, _ outcome: Outcome, _ values: [BufferID], make: () -> ProgramCompiler?
  ) {
    guard rank < worst else { return }
    let place = ways.firstIndex { rank < $0.rank } ?? ways.count
    func isAlike(_ way: Way) -> Bool { way.outcome.result == outcome.result }
    guard ways[..<place].count(where: isAlike) < Self.mostAlike, let state = make() else { return }
    let layouts = values.map { Layout(state.homes[$0]) }
    if let same = ways.firstIndex(where: { $0.layouts == layouts }) {
      guard place <= same else { return }
      ways.remove(at: same)
    }
    ways.insert(Way(state, outcome, rank: rank, layouts), at: place)
    if ways.count(where: isAlike) > Self.mostAlike, let last = ways.lastIndex(where: isAlike) {
      ways.remove(at: last)
    }
    if ways.count > width { ways.removeLast() }
  }
}
