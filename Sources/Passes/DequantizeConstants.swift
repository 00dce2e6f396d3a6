import GraphIR
import Operators
import Support
import Tensors

extension Pass {
  /// Weights that a float model stores as integers become f32, so that they can be scaled and quantized like others.
  /// Models that quantize other values, too, keep theirs, which `fuse-qdq` needs. Not part of the standard table,
  /// since weights take four times the memory.
  public static let dequantizeConstants = Pass(
    "dequantize-constants", "replaces DequantizeLinear of constants by what it gives"
  ) { (rewriter, operators) throws(Diagnostic) in
    guard !rewriter.graph.order.contains(where: { rewriter.graph.nodes[$0].op == "QuantizeLinear" }) else {
      return
    }
    for node in rewriter.graph.order where rewriter.graph.nodes[node].op == "DequantizeLinear" {
      let graph = rewriter.graph
      let operands = graph.operands(of: node).map { graph.constant($0) }
      guard zip(graph.operands(of: node), operands).allSatisfy({ $0.isNone || $1 != nil }),
        graph.values[graph.results(of: node)[0]].type.concrete != nil
      else { continue }
      let name = graph.values[graph.operands(of: node)[0]].name
      let result = graph.results(of: node)[0]
      rewriter.replace(node, with: try operators.evaluate(node, in: graph, operands))
      if rewriter.graph.values[result].name.isEmpty { rewriter.setName(of: result, to: name) }
    }
  }
}
