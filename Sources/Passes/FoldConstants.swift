import GraphIR
import Operators
import Support
import Tensors

extension Pass {
  public static let foldConstants = Pass(
    "fold-constants",
    "replaces nodes whose operands are constants, or whose shapes are fixed, by their value",
    run: fold)
}

/// Results above this many bytes stay computed.
private let largestConstant = 1 << 28

/// The operator's own evaluator computes the value, so folding cannot disagree with running. What becomes
/// known makes types behind it known, so both advance together. DequantizeLinear stays: `fuse-qdq` reads it.
private func fold(_ rewriter: inout Rewriter, _ operators: OperatorSet) throws(Diagnostic) {
  var isInlined = true
  while isInlined {
    isInlined = false
    for node in rewriter.graph.order {
      if !rewriter.graph.nodes[node].regions.isEmpty {
        isInlined = try rewriter.inlineBranch(node) || isInlined
        continue
      }
      let results = rewriter.graph.results(of: node)
      if results.contains(where: { rewriter.graph.values[$0].type.concrete == nil }) {
        try rewriter.refineTypes(of: node, operators)
      }
      guard rewriter.graph.nodes[node].op != "DequantizeLinear",
        let values = try constants(node, rewriter.graph, operators)
      else { continue }
      rewriter.replace(node, with: values)
    }
  }
}

private func constants(
  _ node: NodeID, _ graph: Graph, _ operators: OperatorSet
) throws(Diagnostic) -> [Tensor]? {
  let ids = graph.operands(of: node)
  if let shape = try operators.instance(of: node, in: graph) as? Shape {
    return try shape.value(of: graph.values[ids[0]].type).map { [$0] }
  }
  let operands = ids.map { graph.constant($0) }
  guard zip(ids, operands).allSatisfy({ $0.isNone || $1 != nil }) else { return nil }
  for result in graph.results(of: node) {
    guard let type = graph.values[result].type.concrete, try type.byteCount().bytes <= largestConstant else {
      return nil
    }
  }
  return try operators.evaluate(node, in: graph, operands)
}
