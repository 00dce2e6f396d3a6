import GraphIR
import Operators
import Support
import Tensors

extension Pass {
  public static let recognizeGelu = Pass(
    "recognize-gelu", "makes a Gelu of the nodes that spell it out, by erf or by tanh", run: recognize)
}

/// 0.5 · x · (1 + erf(x / √2)) and 0.5 · x · (1 + tanh(√(2/π) · (x + 0.044715 · x³))): a product of three in
/// any order, whose factors are found apart from it.
private func recognize(_ rewriter: inout Rewriter, _ operators: OperatorSet) throws(Diagnostic) {
  rewriter.recognize { root, index in
    guard let product = Product(root, index), product.factors.count == 2 else { return nil }
    for (gate, x) in [(0, 1), (1, 0)] {
      guard abs(product.scale - 0.5) < 1e-4, let found = index.gate(product.factors[gate]),
        found.x == product.factors[x]
      else { continue }
      var gelu = Gelu()
      gelu.approximate = found.approximation
      return Recognition(
        root, inner: product.inner + found.inner, as: Node("Gelu", gelu.attributes), [found.x])
    }
    return nil
  }
}

extension GraphIndex {
  /// 1 + erf(…) or 1 + tanh(…), and what it is of.
  fileprivate func gate(
    _ value: ValueID
  ) -> (x: ValueID, approximation: Gelu.Approximation, inner: [NodeID])? {
    for (sum, function, one) in sides("Add", value) where isScalar(one, 1) {
      if let (erf, scaled) = operand("Erf", function), let (x, inner) = scaledByRootHalf(scaled) {
        return (x, .none, [sum, erf] + inner)
      }
      if let (tanh, scaled) = operand("Tanh", function), let (x, inner) = cubic(scaled) {
        return (x, .tanh, [sum, tanh] + inner)
      }
    }
    return nil
  }

  /// x / √2 or x · √½.
  private func scaledByRootHalf(_ value: ValueID) -> (x: ValueID, inner: [NodeID])? {
    if let (node, x, divisor) = sides("Div", value).first, isScalar(divisor, Float(2).squareRoot()) {
      return (x, [node])
    }
    for (node, x, factor) in sides("Mul", value) where isScalar(factor, Float(0.5).squareRoot()) {
      return (x, [node])
    }
    return nil
  }

  /// √(2/π) · (x + 0.044715 · x³).
  private func cubic(_ value: ValueID) -> (x: ValueID, inner: [NodeID])? {
    for (outer, sum, factor) in sides("Mul", value) where isScalar(factor, 0.7978845608) {
      for (add, x, scaled) in sides("Add", sum) {
        for (mul, cube, small) in sides("Mul", scaled) where isScalar(small, 0.044715) {
          if let inner = power(cube, of: x) { return (x, [outer, add, mul] + inner) }
        }
      }
    }
    return nil
  }

  /// The nodes of x³: a Pow, or two products.
  private func power(_ value: ValueID, of x: ValueID) -> [NodeID]? {
    if let (node, base, exponent) = sides("Pow", value).first, base == x, isScalar(exponent, 3) {
      return [node]
    }
    for (node, left, square) in sides("Mul", value) where left == x {
      if let (inner, a, b) = sides("Mul", square).first, a == x, b == x { return [node, inner] }
    }
    return nil
  }
}

/// A tree of Mul and of Div by constants: its factors that are no numbers, and the product of the numbers.
struct Product {
  private(set) var factors: [ValueID] = []
  private(set) var scale: Float = 1
  /// The nodes of the tree without its root.
  private(set) var inner: [NodeID] = []

  /// Nil where the node is no product. A factor that is a product used elsewhere too stays whole.
  init?(_ root: NodeID, _ index: GraphIndex) {
    guard ["Mul", "Div"].contains(index.graph.nodes[root].op) else { return nil }
    expand(index.graph.results(of: root)[0], index, depth: 0)
    guard inner.first == root else { return nil }
    inner.removeFirst()
  }

  private mutating func expand(_ value: ValueID, _ index: GraphIndex, depth: Int) {
    if let number = index.scalar(value) {
      scale *= number
    } else if depth == 0 || index.useCount(of: value) == 1, depth < 8,
      let (node, left, right) = index.sides("Mul", value).first
    {
      inner.append(node)
      expand(left, index, depth: depth + 1)
      expand(right, index, depth: depth + 1)
    } else if depth == 0 || index.useCount(of: value) == 1, depth < 8,
      let (node, left, right) = index.sides("Div", value).first, let divisor = index.scalar(right)
    {
      inner.append(node)
      scale /= divisor
      expand(left, index, depth: depth + 1)
    } else {
      factors.append(value)
    }
  }
}
