import GraphIR
import Operators
import Support
import Tensors

/// The order of dimensions that a Transpose gives: dimension i of the result is `order[i]` of the operand.
struct Permutation: Hashable {
  let order: [Int]

  /// Of a Transpose of the graph; nil for other nodes.
  init?(_ id: NodeID, _ graph: Graph) {
    guard !id.isNone, graph.nodes[id].op == "Transpose", graph.nodes[id].domain.isEmpty else { return nil }
    let rank = graph.values[graph.results(of: id)[0]].type.rank
    if case .ints(let stated)? = graph.nodes[id].attribute("perm") {
      order = stated.map { Int($0) }
    } else {
      order = Array((0..<rank).reversed())
    }
    guard order.sorted() == Array(0..<rank) else { return nil }
  }

  private init(order: [Int]) { self.order = order }

  var rank: Int { order.count }
  var isIdentity: Bool { order == Array(order.indices) }

  var inverse: Permutation {
    var inverse = order
    for (index, source) in order.enumerated() { inverse[source] = index }
    return Permutation(order: inverse)
  }

  /// First this one, then `next`.
  func then(_ next: Permutation) -> Permutation { Permutation(order: next.order.map { order[$0] }) }

  func apply<Item>(_ items: [Item]) -> [Item] { order.map { items[$0] } }

  func apply(_ type: ValueType) -> ValueType { ValueType(type.element, apply(type.shape)) }

  /// Whether applying it to a shape moves dimensions of extent 1 alone, and hence no element.
  func isFree(on shape: [Dimension]) -> Bool {
    let long = order.filter { shape[$0] != .fixed(1) }
    return long == long.sorted()
  }

  /// What applying it to a value takes: elements that move first, then nodes. Symbols count as 1, since they
  /// are mostly the batch, which all have in common.
  func cost(on type: ValueType) -> Int {
    if isIdentity { return 0 }
    if isFree(on: type.shape) { return 1 }
    let elements = type.shape.reduce(1) { product, dimension in
      let (next, overflow) = product.multipliedReportingOverflow(by: dimension.extent ?? 1)
      return overflow ? 1 << 32 : min(next, 1 << 32)
    }
    return elements << 12 + 1
  }

  func node(name: String = "", sources: [Int]) -> Node {
    Node("Transpose", name: name, [Attribute("perm", .ints(order.map(Int64.init)))], sources: sources)
  }

  func apply(_ tensor: Tensor) throws(Diagnostic) -> Tensor {
    var transpose = Transpose()
    transpose.perm = order
    return try transpose.evaluate([tensor])[0]
  }
}
