/// Places buffers whose lifetimes are known in one memory, so that no two that live at the same time overlap.
///
/// Cheap heuristics are tried first, then an exact search; both are deterministic, and work is limited by counts
/// of nodes, never by time. `AllocationProblem` says what is searched, `AllocationSearch` how.
public enum StaticAllocator {
  public struct Buffer: Hashable, Sendable {
    /// Lives in [start, end): one whose lifetime ends where that of another starts may lie in the same place.
    public var start: Int
    public var end: Int
    public var size: Int
    /// Its offset is a multiple of this, unless it is fixed.
    public var alignment: Int
    /// Where it has to lie, or nil.
    public var fixedOffset: Int?

    public init(_ lifetime: Range<Int>, size: Int, alignment: Int = 1, fixedOffset: Int? = nil) {
      start = lifetime.lowerBound
      end = lifetime.upperBound
      self.size = size
      self.alignment = alignment
      self.fixedOffset = fixedOffset
    }

    /// Whether it takes room at all.
    var isMaterial: Bool { size > 0 && end > start }
  }

  public enum Outcome: Hashable, Sendable {
    /// The offset of every buffer, in their order; 0 for one without size or lifetime that is not fixed.
    case found(offsets: [Int])
    /// Proved: no offsets exist.
    case infeasible
    /// Neither, within the node limit.
    case gaveUp

    public var offsets: [Int]? {
      if case .found(let offsets) = self { offsets } else { nil }
    }
  }

  public struct Solution: Hashable, Sendable {
    public var outcome: Outcome
    /// Placements that the exact search tried, over all of its rounds; 0 where a heuristic or the load decided.
    public var nodes: Int

    init(_ outcome: Outcome, nodes: Int) {
      self.outcome = outcome
      self.nodes = nodes
    }

    public var offsets: [Int]? { outcome.offsets }
  }

  /// Nodes that take well under a second for hundreds of buffers.
  public static let defaultNodeLimit = 200_000

  /// Offsets such that every buffer ends at `capacity` or below.
  /// - Precondition: no size is negative, every alignment is positive, no fixed offset is negative, and no sum of
  ///   sizes of buffers that live together passes 2^62.
  public static func solve(
    _ buffers: [Buffer], capacity: Int, nodeLimit: Int = defaultNodeLimit
  ) -> Solution {
    let problem = AllocationProblem(buffers)
    guard problem.load <= capacity, problem.isConsistent else { return Solution(.infeasible, nodes: 0) }
    let (packing, peak) = Heuristics.best(problem, goal: capacity)
    if peak <= capacity { return Solution(.found(offsets: problem.offsets(of: packing)), nodes: 0) }
    return problem.search(capacity: capacity, nodeLimit: nodeLimit)
  }

  /// The same without heuristics, so that tests reach the search where these would do.
  package static func searchOnly(_ buffers: [Buffer], capacity: Int, nodeLimit: Int) -> Solution {
    let problem = AllocationProblem(buffers)
    guard problem.load <= capacity, problem.isConsistent else { return Solution(.infeasible, nodes: 0) }
    return problem.search(capacity: capacity, nodeLimit: nodeLimit)
  }
}
