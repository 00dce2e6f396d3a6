import GraphIR
import Operators
import Support
import Tensors

extension Pass {
  public static let recognizeLayerNorm = Pass(
    "recognize-layer-norm", "makes a LayerNormalization of the reductions that spell it out",
    run: findLayerNorms)

  public static let recognizeRMSNorm = Pass(
    "recognize-rms-norm", "makes an RMSNormalization of the reduction that spells it out",
    run: findRMSNorms)
}

/// (x - mean) / √(mean((x - mean)²) + epsilon) · scale + bias. The difference may be computed once or twice.
private func findLayerNorms(_ rewriter: inout Rewriter, _ operators: OperatorSet) throws(Diagnostic) {
  rewriter.recognize { root, index in
    let result = index.graph.results(of: root)[0]
    for (_, scaled, bias) in index.sides("Add", result) {
      for (mul, normal, scale) in index.sides("Mul", scaled) {
        guard let quotient = index.normalized(normal), let centred = index.centred(quotient.value),
          let square = index.square(quotient.squares), let twin = index.centred(square.value),
          twin.x == centred.x, twin.axes == quotient.axes, centred.axes == quotient.axes,
          let axis = index.axis(quotient.axes, of: centred.x), index.fits(scale, centred.x, axis),
          index.fits(bias, centred.x, axis)
        else { continue }
        var norm = LayerNormalization()
        (norm.axis, norm.epsilon) = (axis, quotient.epsilon)
        let inner = [mul] + quotient.inner + centred.inner + square.inner + twin.inner
        return Recognition(
          root, inner: inner, as: Node("LayerNormalization", norm.attributes), [centred.x, scale, bias])
      }
    }
    return nil
  }
}

/// x / √(mean(x²) + epsilon) · scale, or with the reciprocal as a factor.
private func findRMSNorms(_ rewriter: inout Rewriter, _ operators: OperatorSet) throws(Diagnostic) {
  rewriter.recognize { root, index in
    for (_, normal, scale) in index.sides("Mul", index.graph.results(of: root)[0]) {
      guard let quotient = index.normalized(normal), let square = index.square(quotient.squares),
        square.value == quotient.value, let axis = index.axis(quotient.axes, of: quotient.value),
        index.fits(scale, quotient.value, axis)
      else { continue }
      var norm = RMSNormalization()
      (norm.axis, norm.epsilon) = (axis, quotient.epsilon)
      return Recognition(
        root, inner: quotient.inner + square.inner, as: Node("RMSNormalization", norm.attributes),
        [quotient.value, scale])
    }
    return nil
  }
}

extension GraphIndex {
  /// value / √(mean(squares) + epsilon).
  fileprivate struct Quotient {
    let value: ValueID
    let squares: ValueID
    let axes: [Int]
    let epsilon: Float
    var inner: [NodeID]
  }

  fileprivate func normalized(_ result: ValueID) -> Quotient? {
    if let (div, value, deviation) = sides("Div", result).first {
      return quotient(value, deviation, [div])
    }
    for (mul, value, inverse) in sides("Mul", result) {
      if let (node, deviation) = operand("Reciprocal", inverse) {
        if let found = quotient(value, deviation, [mul, node]) { return found }
      } else if let (node, one, deviation) = sides("Div", inverse).first, isScalar(one, 1, within: 0) {
        if let found = quotient(value, deviation, [mul, node]) { return found }
      }
    }
    return nil
  }

  /// With √ as a node or as a power of ½.
  private func quotient(_ value: ValueID, _ deviation: ValueID, _ inner: [NodeID]) -> Quotient? {
    var root: (node: NodeID, operand: ValueID)? = operand("Sqrt", deviation)
    if root == nil, let (node, base, exponent) = sides("Pow", deviation).first, scalar(exponent) == 0.5 {
      root = (node, base)
    }
    guard let root else { return nil }
    for (add, variance, constant) in sides("Add", root.operand) {
      if let epsilon = scalar(constant), epsilon >= 0, let mean = mean(variance) {
        return Quotient(
          value: value, squares: mean.of, axes: mean.axes, epsilon: epsilon,
          inner: inner + [root.node, add, mean.node])
      }
    }
    return nil
  }

  /// A ReduceMean that keeps its dimensions, with axes counted from the front.
  private func mean(_ value: ValueID) -> (of: ValueID, axes: [Int], node: NodeID)? {
    guard let id = node("ReduceMean", value),
      let mean = try? ReduceMean(graph.nodes[id].attributes), mean.keepdims
    else { return nil }
    let operands = graph.operands(of: id)
    var axes = mean.axes
    if operands.count > 1, !operands[1].isNone { axes = try? graph.constant(operands[1])?.int64Elements() }
    let rank = graph.values[operands[0]].type.rank
    guard let axes, !axes.isEmpty else { return nil }
    return (operands[0], axes.map { $0 < 0 ? $0 + rank : $0 }.sorted(), id)
  }

  /// x - mean(x).
  fileprivate func centred(_ value: ValueID) -> (x: ValueID, axes: [Int], inner: [NodeID])? {
    guard let (node, x, subtrahend) = sides("Sub", value).first, let mean = mean(subtrahend), mean.of == x
    else { return nil }
    return (x, mean.axes, [node, mean.node])
  }

  /// value², as a power or a product.
  fileprivate func square(_ result: ValueID) -> (value: ValueID, inner: [NodeID])? {
    if let (node, base, exponent) = sides("Pow", result).first, scalar(exponent) == 2 {
      return (base, [node])
    }
    if let (node, left, right) = sides("Mul", result).first, left == right { return (left, [node]) }
    return nil
  }

  /// The first of the axes, where they are the last dimensions; negative.
  fileprivate func axis(_ axes: [Int], of x: ValueID) -> Int? {
    let rank = graph.values[x].type.rank
    guard let first = axes.first, axes == Array(first..<rank) else { return nil }
    return first - rank
  }

  /// Whether a value broadcasts to the normalized dimensions alone.
  fileprivate func fits(_ value: ValueID, _ x: ValueID, _ axis: Int) -> Bool {
    let (type, shape) = (graph.values[value].type, graph.values[x].type.shape)
    let inner = shape.suffix(-axis)
    guard type.element == graph.values[x].type.element, type.rank <= inner.count else { return false }
    return zip(type.shape.reversed(), inner.reversed()).allSatisfy { $0 == .fixed(1) || $0 == $1 }
  }
}
