import GraphIR
import Operators
import Support
import Tensors

/// Which nodes to compute on operands x' with x = transpose(x', permutation).
struct LayoutPlan {
  let permutation: Permutation
  /// In program order.
  private(set) var nodes: [(id: NodeID, node: LayoutFreeNode)] = []
  private var takes = SideTable<ValueID, Set<NodeID>>(default: [])
  private let candidates: LayoutCandidates

  /// Whether a node of the plan takes `value` in the other layout.
  func reads(_ node: NodeID, _ value: ValueID) -> Bool { takes[value].contains(node) }

  /// The Transpose that defines a value, where the plan counts on reading what it reads.
  func transpose(_ definer: NodeID, _ graph: Graph) -> Permutation? {
    candidates.isBehindCandidate(definer, graph) ? nil : Permutation(definer, graph)
  }

  /// Nil where no choice transposes less than the graph does. What a Transpose between two candidates costs is
  /// no cut: it counts as that of the first, or, with `sparing`, the first is no candidate where the Transpose
  /// has the permutation itself.
  init?(_ p: Permutation, _ graph: Graph, sparing: Bool) throws(Diagnostic) {
    permutation = p
    candidates = try LayoutCandidates(p, graph, sparing: sparing)
    guard !candidates.nodes.isEmpty else { return nil }
    var network = LayoutNetwork(p, graph, candidates)
    let flipped = network.flipped()
    guard !flipped.isEmpty else { return nil }
    for candidate in candidates.nodes where flipped.contains(candidate.id) {
      nodes.append(candidate)
      for value in candidate.node.data { takes[value].insert(candidate.id) }
    }
  }
}

/// The nodes that a plan may choose from.
private struct LayoutCandidates {
  private(set) var nodes: [(id: NodeID, node: LayoutFreeNode)] = []
  private var index = SideTable<NodeID, Int>(default: -1)
  private let definers: SideTable<ValueID, NodeID>

  subscript(_ id: NodeID) -> LayoutFreeNode? { id.isNone || index[id] < 0 ? nil : nodes[index[id]].node }

  init(_ p: Permutation, _ graph: Graph, sparing: Bool) throws(Diagnostic) {
    definers = graph.definers()
    let users = graph.users()
    for id in graph.order where Permutation(id, graph) == nil {
      let isSpared =
        sparing && graph.results(of: id).contains { users[$0].contains { Permutation($0, graph) == p } }
      guard !isSpared, let node = try LayoutFreeNode(id, p, graph), node.isUniform else { continue }
      index[id] = nodes.count
      nodes.append((id, node))
    }
  }

  /// Whether a node transposes what a candidate gives in either layout.
  func isBehindCandidate(_ transpose: NodeID, _ graph: Graph) -> Bool {
    guard Permutation(transpose, graph) != nil else { return false }
    return self[definers[graph.operands(of: transpose)[0]]]?.resultsFollow ?? false
  }
}

extension LayoutFreeNode {
  fileprivate var data: Set<ValueID> {
    Set(operands.compactMap { if case .data(let value) = $0 { value } else { nil } })
  }

  /// Whether no operand is read both as data and as something else.
  fileprivate var isUniform: Bool {
    let data = data
    return operands.allSatisfy { if case .same(let value) = $0 { !data.contains(value) } else { true } }
  }
}

/// Layouts as a cut: vertices on the side of the source keep the layout of the graph, those on the side of
/// the sink have the other. An edge costs what has to be transposed where it is cut.
private struct LayoutNetwork {
  private let p: Permutation
  private let graph: Graph
  private let candidates: LayoutCandidates
  private var cut = MinimumCut()
  private var vertices = SideTable<NodeID, Int>(default: -1)
  /// The cost as the graph stands.
  private var present = 0

  init(_ p: Permutation, _ graph: Graph, _ candidates: LayoutCandidates) {
    self.p = p
    self.graph = graph
    self.candidates = candidates
    for candidate in candidates.nodes { vertices[candidate.id] = cut.vertex() }
    let (definers, users) = (graph.definers(), graph.users())
    var isSeen = SideTable<ValueID, Bool>(default: false)
    for (id, node) in candidates.nodes {
      let results = node.resultsFollow ? graph.results(of: id) : []
      for value in node.data.sorted() + results where !isSeen[value] {
        isSeen[value] = true
        add(value, definers[value], users[value])
      }
    }
  }

  /// The nodes to compute in the other layout; empty where that gains nothing.
  mutating func flipped() -> Set<NodeID> {
    guard cut.solve() < present else { return [] }
    let isOther = cut.isOnSinkSide
    return Set(candidates.nodes.map(\.id).filter { isOther[vertices[$0]] })
  }

  /// What the layouts of a value's definer and users cost.
  private mutating func add(_ value: ValueID, _ definer: NodeID, _ users: [NodeID]) {
    let type = graph.values[value].type
    let other = p.inverse.apply(type)
    let readers = users.filter { candidates[$0]?.data.contains(value) ?? false }
    let rest = users.filter { !readers.contains($0) }
    let transposes = rest.compactMap { Permutation($0, graph) }
    let flexible = readers.map { vertices[$0] }
    let isPinned = transposes.count < rest.count || graph.outputs.contains(value)
    let old = flexible + (isPinned ? [MinimumCut.source] : [])
    if let node = candidates[definer], node.resultsFollow {
      let vertex = vertices[definer]
      join(from: vertex, to: flexible, p.cost(on: other))
      join(from: old, to: vertex, p.cost(on: other))
      for next in transposes {
        let now = next.cost(on: type)
        cut.connect(vertex, MinimumCut.sink, now)
        cut.connect(MinimumCut.source, vertex, p.then(next).cost(on: other))
        present += now
      }
    } else if let first = Permutation(definer, graph), !candidates.isBehindCandidate(definer, graph) {
      let source = graph.values[graph.operands(of: definer)[0]].type
      join(from: old, to: MinimumCut.sink, first.cost(on: source))
      join(from: MinimumCut.source, to: flexible, first.then(p.inverse).cost(on: source))
      present += first.cost(on: source)
    } else {
      join(from: MinimumCut.source, to: flexible, p.inverse.cost(on: type))
    }
  }

  /// The capacity is paid once if `vertex` is on the side of the source and any of the others is not.
  private mutating func join(from vertex: Int, to others: [Int], _ capacity: Int) {
    guard !others.isEmpty, capacity > 0 else { return }
    let hub = cut.vertex()
    cut.connect(vertex, hub, capacity)
    for other in others { cut.connect(hub, other, MinimumCut.unbounded) }
  }

  /// The capacity is paid once if any of the others is on the side of the source and `vertex` is not.
  private mutating func join(from others: [Int], to vertex: Int, _ capacity: Int) {
    guard !others.isEmpty, capacity > 0 else { return }
    let hub = cut.vertex()
    for other in others { cut.connect(other, hub, MinimumCut.unbounded) }
    cut.connect(hub, vertex, capacity)
  }
}
