import GraphIR
import Operators
import Passes
import Support
import Tensors

extension Pass {
  /// Adds to the biases of contractions what quantization takes from the means of their results. A node without a
  /// bias gets one.
  /// - Parameter corrections: measured on the graph that the pass runs on. Nodes that are not there, or whose output
  ///   channels are another number, are left alone.
  public static func correctBiases(_ corrections: [Scheme.Correction]) -> Pass {
    Pass("correct-biases", "adds to biases what quantization takes from the means of results") {
      (rewriter, _) throws(Diagnostic) in
      let keys = NodeKeys(rewriter.graph)
      for correction in corrections {
        guard let node = keys.node(correction.node), rewriter.graph.takesBias(node),
          let sum = try rewriter.graph.bias(of: node, adding: correction.added)
        else { continue }
        guard rewriter.startChange() else { return }
        let operands = rewriter.graph.operands(of: node)
        let name = operands.count > 2 && !operands[2].isNone ? rewriter.graph.values[operands[2]].name : ""
        let bias = rewriter.constant(sum, name: name)
        rewriter.redefine(node, as: rewriter.graph.nodes[node], Array(operands.prefix(2)) + [bias])
      }
    }
  }
}

extension Graph {
  /// Nil where the numbers are not one per element of the bias, or of the result's channels where there is none.
  fileprivate func bias(of node: NodeID, adding added: [Float]) throws(Diagnostic) -> Tensor? {
    let operands = operands(of: node)
    let channels = values[results(of: node)[0]].type.shape[Graph.channelAxis].extent
    guard channels == added.count else { return nil }
    var sums = added
    if operands.count > 2, let old = constant(operands[2]) {
      let values = old.floatElements()
      guard values.count == added.count || values.count == 1 else { return nil }
      sums = added.indices.map { added[$0] + values[values.count == 1 ? 0 : $0] }
    }
    return try Tensor(TensorType(.f32, [sums.count]), sums)
  }
}
