import GraphIR
import Operators
import Support
import Tensors

extension Pass {
  public static let foldBatchNormalization = Pass(
    "fold-batch-norm", "moves a BatchNormalization into the weights and bias of the Conv before it", run: fold
  )
}

/// Computes in f64 and rounds weights and bias once.
private func fold(_ rewriter: inout Rewriter, _ operators: OperatorSet) throws(Diagnostic) {
  for norm in rewriter.graph.order where rewriter.graph.nodes[norm].op == "BatchNormalization" {
    guard let match = try Match(norm, rewriter.graph, operators) else { continue }
    let folded = try match.folded()
    guard let folded else { continue }
    guard rewriter.startChange() else { return }
    let graph = rewriter.graph
    let weights = rewriter.constant(folded.weights, name: graph.values[match.weights].name)
    let bias = rewriter.constant(folded.bias)
    let node = graph.nodes[match.conv].merging([graph.nodes[norm]])
    rewriter.redefine(norm, as: node, [graph.operands(of: match.conv)[0], weights, bias])
    rewriter.erase(match.conv)
  }
}

private struct Match {
  let conv: NodeID
  let weights: ValueID
  private let tensors: (weights: Tensor, bias: Tensor?)
  private let parameters: [[Double]]
  private let epsilon: Float

  /// Nil where the operand is not the result of a Conv of its own, or something is not constant.
  init?(_ norm: NodeID, _ graph: Graph, _ operators: OperatorSet) throws(Diagnostic) {
    let operands = graph.operands(of: norm)
    conv = graph.definer(of: operands[0])
    let parameters = operands[1...].compactMap { graph.constant($0)?.doubleElements() }
    guard !conv.isNone, graph.nodes[conv].op == "Conv", graph.nodes[conv].domain.isEmpty,
      graph.nodes[conv].attribute("activation") == nil, graph.useCount(of: operands[0]) == 1,
      graph.values[operands[0]].quantization == nil, parameters.count == 4,
      let operation = try operators.instance(of: norm, in: graph) as? BatchNormalization
    else { return nil }
    let inputs = graph.operands(of: conv)
    weights = inputs[1]
    let hasBias = inputs.count > 2 && !inputs[2].isNone
    guard let tensor = graph.constant(inputs[1]), tensor.element.isFloat,
      graph.values[inputs[1]].quantization == nil
    else { return nil }
    let bias = hasBias ? graph.constant(inputs[2]) : nil
    guard !hasBias || bias != nil else { return nil }
    tensors = (tensor, bias)
    self.parameters = parameters
    epsilon = operation.epsilon
  }

  /// w · f and (b - mean) · f + beta with f = scale / √(variance + epsilon), or nil where one is not finite.
  func folded() throws(Diagnostic) -> (weights: Tensor, bias: Tensor)? {
    let factors = zip(parameters[0], parameters[3]).map { $0 / ($1 + Double(epsilon)).squareRoot() }
    let count = factors.count
    let row = count == 0 ? 0 : tensors.weights.count / count
    let old = tensors.bias?.doubleElements() ?? Array(repeating: 0, count: count)
    let weights = tensors.weights.doubleElements().enumerated().map { $1 * factors[$0 / row] }
    let bias = (0..<count).map { (old[$0] - parameters[2][$0]) * factors[$0] + parameters[1][$0] }
    guard (weights + bias).allSatisfy({ Float($0).isFinite }) else { return nil }
    let element = tensors.weights.element
    return (
      try Tensor(TensorType(.f64, tensors.weights.shape), weights).converted(to: element),
      try Tensor(TensorType(.f64, [count]), bias).converted(to: element)
    )
  }
}
