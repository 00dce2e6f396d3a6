extension StaticAllocator {
  public struct Minimum: Hashable, Sendable {
    /// Where the highest buffer ends.
    public var capacity: Int
    /// Of every buffer, in their order.
    public var offsets: [Int]
    /// Proved: no smaller capacity than this can do.
    public var bound: Int
    /// Placements that exact searches tried.
    public var nodes: Int

    /// Whether nothing smaller exists.
    public var isProved: Bool { capacity == bound }
  }

  /// The smallest capacity that is found: the load if it can be had, else by bisection between it and what the
  /// heuristics need. Each capacity that is tried takes up to `nodeLimit` nodes. Nil if fixed buffers overlap.
  /// - Precondition: as `solve`.
  public static func minimise(_ buffers: [Buffer], nodeLimit: Int = defaultNodeLimit) -> Minimum? {
    let problem = AllocationProblem(buffers)
    guard problem.isConsistent else { return nil }
    let (packing, peak) = Heuristics.best(problem, goal: problem.load)
    var best = Minimum(
      capacity: peak, offsets: problem.offsets(of: packing), bound: problem.load, nodes: 0)
    // Below `floor` nothing is tried any more, whether proved or given up.
    var floor = problem.load
    var capacity = problem.load
    while floor < best.capacity {
      let solution = problem.search(capacity: capacity, nodeLimit: nodeLimit)
      best.nodes += solution.nodes
      switch solution.outcome {
      case .found(let offsets):
        best.offsets = offsets
        best.capacity = zip(buffers, offsets).reduce(0) {
          $1.0.isMaterial ? max($0, $1.1 + $1.0.size) : $0
        }
      case .infeasible:
        floor = problem.next(after: capacity)
        best.bound = max(best.bound, min(floor, best.capacity))
      case .gaveUp: floor = problem.next(after: capacity)
      }
      capacity = floor + (best.capacity - floor) / 2
    }
    return best
  }
}

extension AllocationProblem {
  /// The least capacity above this one at which some packing may end: ends are multiples of the unit, less what
  /// the buffer at the top is shorter.
  fileprivate func next(after capacity: Int) -> Int {
    items.reduce(Int.max) { least, item in
      let size = buffers[item.buffer].size
      let over = capacity - size
      return min(least, size + (over < 0 ? 0 : over / unit + 1) * unit)
    }
  }
}
