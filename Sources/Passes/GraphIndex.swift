import GraphIR
import Support
import Tensors

/// A graph with what pattern passes ask of it: who defines a value and how often it is used. It is a
/// snapshot: a pass takes a new one after each change.
struct GraphIndex {
  let graph: Graph
  private let definers: SideTable<ValueID, NodeID>
  private let uses: SideTable<ValueID, Int>

  init(_ graph: Graph) {
    self.graph = graph
    definers = graph.definers()
    uses = graph.useCounts()
  }

  func definer(of value: ValueID) -> NodeID { value.isNone ? .none : definers[value] }

  func useCount(of value: ValueID) -> Int { uses[value] }

  /// The node that defines `value`, where it is one of ONNX's operators of that name on real numbers.
  func node(_ op: String, _ value: ValueID) -> NodeID? {
    let id = definer(of: value)
    guard !id.isNone, graph.nodes[id].op == op, graph.nodes[id].domain.isEmpty,
      graph.results(of: id).count == 1, graph.values[value].quantization == nil
    else { return nil }
    return id
  }

  /// The operands of the node `op` of two operands that defines `value`, in both orders.
  func sides(_ op: String, _ value: ValueID) -> [(node: NodeID, left: ValueID, right: ValueID)] {
    guard let id = node(op, value), graph.nodes[id].attribute("activation") == nil else { return [] }
    let operands = graph.operands(of: id)
    guard operands.count == 2, !operands[0].isNone, !operands[1].isNone else { return [] }
    return [(id, operands[0], operands[1]), (id, operands[1], operands[0])]
  }

  /// The only operand of the node `op` that defines `value`.
  func operand(_ op: String, _ value: ValueID) -> (node: NodeID, operand: ValueID)? {
    guard let id = node(op, value) else { return nil }
    let operands = graph.operands(of: id)
    return operands.count == 1 && !operands[0].isNone ? (id, operands[0]) : nil
  }

  /// The number that a float constant of one element is.
  func scalar(_ value: ValueID) -> Float? {
    guard let tensor = graph.constant(value), tensor.element.isFloat, tensor.count == 1,
      graph.values[value].quantization == nil
    else { return nil }
    return tensor.floatElements()[0]
  }

  /// Whether `value` is the constant, to the precision of the narrowest float that models store it in.
  func isScalar(_ value: ValueID, _ wanted: Float, within tolerance: Float = 1e-3) -> Bool {
    guard let number = scalar(value) else { return false }
    return abs(number - wanted) <= tolerance * abs(wanted)
  }

  /// Whether nothing but the pattern uses what its inner nodes give.
  func isClosed(_ inner: [NodeID], root: NodeID) -> Bool {
    var within = SideTable<ValueID, Int>(default: 0)
    for node in inner + [root] {
      for operand in graph.operands(of: node) where !operand.isNone { within[operand] += 1 }
    }
    return inner.allSatisfy { node in graph.results(of: node).allSatisfy { within[$0] == uses[$0] } }
  }
}

/// What a recogniser found: the node that takes the place of `root`, and the nodes that disappear with it.
struct Recognition {
  let root: NodeID
  let inner: [NodeID]
  let node: Node
  let operands: [ValueID]

  /// - Parameter inner: in any order; a node may occur repeatedly.
  init(_ root: NodeID, inner: [NodeID], as node: Node, _ operands: [ValueID]) {
    self.root = root
    self.inner = Array(Set(inner)).sorted()
    self.node = node
    self.operands = operands
  }
}

extension Rewriter {
  /// Replaces every pattern that `find` tells of, one change each, where nothing else uses its inner values.
  mutating func recognize(_ find: (NodeID, GraphIndex) -> Recognition?) {
    var index = GraphIndex(graph)
    for root in graph.order {
      guard graph.results(of: root).count == 1, let found = find(root, index),
        index.isClosed(found.inner, root: root), found.operands.allSatisfy({ isFloat($0) }),
        graph.values[graph.results(of: root)[0]].quantization == nil
      else { continue }
      guard startChange() else { return }
      let parts = (found.inner + [root]).map { graph.nodes[$0] }
      let name = graph.nodes[root].name
      let node = Node(found.node.op, name: name, found.node.attributes).merging(parts)
      redefine(root, as: node, found.operands)
      for inner in found.inner.reversed() { erase(inner) }
      index = GraphIndex(graph)
    }
  }

  private func isFloat(_ value: ValueID) -> Bool {
    [.f32, .f16, .bf16].contains(graph.values[value].type.element)
  }
}
