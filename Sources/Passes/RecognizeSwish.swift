import GraphIR
import Operators
import Support
import Tensors

extension Pass {
  public static let recognizeSilu = Pass(
    "recognize-silu", "makes a Swish of a product of a value and its Sigmoid", run: findSwishes)

  public static let recognizeHardSwish = Pass(
    "recognize-hard-swish", "makes a HardSwish of the nodes that spell it out", run: findHardSwishes)
}

/// x · sigmoid(x). In f32 the kernels are fused either way; quantized it is one table of 256 entries with one
/// rounding, where a product of two quantized values would round three times.
private func findSwishes(_ rewriter: inout Rewriter, _ operators: OperatorSet) throws(Diagnostic) {
  rewriter.recognize { root, index in
    for (_, gate, x) in index.sides("Mul", index.graph.results(of: root)[0]) {
      if let (sigmoid, operand) = index.operand("Sigmoid", gate), operand == x {
        return Recognition(root, inner: [sigmoid], as: Node("Swish"), [x])
      }
    }
    return nil
  }
}

/// x · HardSigmoid(x) with alpha = 1/6 and beta = 1/2, and x · clip(x + 3, 0, 6) / 6 in any order of factors.
private func findHardSwishes(_ rewriter: inout Rewriter, _ operators: OperatorSet) throws(Diagnostic) {
  rewriter.recognize { root, index in
    guard let product = Product(root, index), product.factors.count == 2 else { return nil }
    for (gate, x) in [(0, 1), (1, 0)] {
      let (gate, x) = (product.factors[gate], product.factors[x])
      if abs(product.scale - 1) < 1e-4, let (node, operand) = index.operand("HardSigmoid", gate),
        operand == x, index.graph.isGate(node)
      {
        return Recognition(root, inner: product.inner + [node], as: Node("HardSwish"), [x])
      }
      if abs(product.scale * 6 - 1) < 1e-3, let inner = index.clippedSum(gate, x) {
        return Recognition(root, inner: product.inner + inner, as: Node("HardSwish"), [x])
      }
    }
    return nil
  }
}

extension Graph {
  /// Whether a HardSigmoid has alpha = 1/6 and beta = 1/2.
  fileprivate func isGate(_ id: NodeID) -> Bool {
    guard let gate = try? HardSigmoid(nodes[id].attributes) else { return false }
    return abs(gate.alpha * 6 - 1) < 1e-3 && gate.beta == 0.5
  }
}

extension GraphIndex {
  /// The nodes of clip(x + 3, 0, 6).
  fileprivate func clippedSum(_ value: ValueID, _ x: ValueID) -> [NodeID]? {
    guard let clip = node("Clip", value) else { return nil }
    let operands = graph.operands(of: clip)
    guard operands.count == 3, scalar(operands[1]) == 0, scalar(operands[2]) == 6 else { return nil }
    for (sum, operand, three) in sides("Add", operands[0]) where operand == x && scalar(three) == 3 {
      return [clip, sum]
    }
    return nil
  }
}
