/// The cheapest set of edges that separates a source from a sink, by Dinic's algorithm: blocking flows over
/// layers of shortest paths.
struct MinimumCut {
  static let source = 0
  static let sink = 1
  /// More than the sum of all finite capacities of a graph.
  static let unbounded = 1 << 60

  private var targets: [Int] = []
  /// What is left of each edge; the edge `index ^ 1` is its reverse.
  private var capacities: [Int] = []
  private var edges: [[Int]] = [[], []]

  mutating func vertex() -> Int {
    edges.append([])
    return edges.count - 1
  }

  mutating func connect(_ from: Int, _ to: Int, _ capacity: Int) {
    guard capacity > 0, from != to else { return }
    edges[from].append(targets.count)
    edges[to].append(targets.count + 1)
    targets += [to, from]
    capacities += [capacity, 0]
  }

  /// Finds the cut. - Returns: its cost. `isOnSinkSide` holds from then on.
  mutating func solve() -> Int {
    var flow = 0
    while let layers = layers() {
      var next = edges.map { _ in 0 }
      while case let pushed = augment(layers, &next), pushed > 0 { flow += pushed }
    }
    return flow
  }

  /// Which vertices lie on the side of the sink: as few as possible among the cuts of that cost.
  var isOnSinkSide: [Bool] {
    var reaches = edges.map { _ in false }
    reaches[Self.sink] = true
    var queue = [Self.sink]
    while let vertex = queue.popLast() {
      for edge in edges[vertex] where capacities[edge ^ 1] > 0 && !reaches[targets[edge]] {
        reaches[targets[edge]] = true
        queue.append(targets[edge])
      }
    }
    return reaches
  }

  /// Each vertex' distance from the source, or nil where the sink is out of reach.
  private func layers() -> [Int]? {
    var layers = edges.map { _ in -1 }
    layers[Self.source] = 0
    var queue = [Self.source]
    var head = 0
    while head < queue.count {
      let vertex = queue[head]
      head += 1
      for edge in edges[vertex] where capacities[edge] > 0 && layers[targets[edge]] < 0 {
        layers[targets[edge]] = layers[vertex] + 1
        queue.append(targets[edge])
      }
    }
    return layers[Self.sink] < 0 ? nil : layers
  }

  /// Pushes along one path of the layers, without recursion. - Returns: how much, 0 where there is no path.
  private mutating func augment(_ layers: [Int], _ next: inout [Int]) -> Int {
    var path: [Int] = []
    var vertex = Self.source
    while vertex != Self.sink {
      if next[vertex] < edges[vertex].count {
        let edge = edges[vertex][next[vertex]]
        if capacities[edge] > 0, layers[targets[edge]] == layers[vertex] + 1 {
          path.append(edge)
          vertex = targets[edge]
        } else {
          next[vertex] += 1
        }
      } else {
        guard let last = path.popLast() else { return 0 }
        vertex = targets[last ^ 1]
        next[vertex] += 1
      }
    }
    let pushed = path.map { capacities[$0] }.min() ?? 0
    for edge in path {
      capacities[edge] -= pushed
      capacities[edge ^ 1] += pushed
    }
    return pushed
  }
}
