import GraphIR
import Operators
import Support
import Tensors

extension Pass {
  public static let eliminateIdentities = Pass(
    "eliminate-identities", "erases nodes that give their operand unchanged", run: eliminate)
}

/// Operators that give their operand where the types on both sides are one and the same.
private let reshaping: Set<String> = ["Identity", "Cast", "Reshape", "Flatten", "Squeeze", "Unsqueeze"]

private func eliminate(_ rewriter: inout Rewriter, _ operators: OperatorSet) throws(Diagnostic) {
  for node in rewriter.graph.order {
    guard isIdentity(node, rewriter.graph) else { continue }
    let (operand, result) = (rewriter.graph.operands(of: node)[0], rewriter.graph.results(of: node)[0])
    let (old, new) = (rewriter.graph.values[result], rewriter.graph.values[operand])
    if rewriter.graph.outputs.contains(result) {
      // The name of an output is the graph's interface: the operand takes it over, or the node stays.
      let isFree = new.definition == .result && !rewriter.graph.outputs.contains(operand)
      guard isFree || old.name == new.name, rewriter.startChange() else { continue }
      rewriter.setName(of: operand, to: old.name)
    } else {
      guard rewriter.startChange() else { return }
    }
    rewriter.replaceUses(of: result, by: operand)
    rewriter.erase(node)
  }
}

private func isIdentity(_ id: NodeID, _ graph: Graph) -> Bool {
  let node = graph.nodes[id]
  let (operands, results) = (graph.operands(of: id), graph.results(of: id))
  guard node.domain.isEmpty, let operand = operands.first, !operand.isNone, results.count == 1 else {
    return false
  }
  let (from, to) = (graph.values[operand], graph.values[results[0]])
  guard from.quantization == to.quantization, from.type.element == to.type.element else { return false }
  let isSame = from.type == to.type && !from.type.shape.contains(.unknown)
  switch node.op {
  case "Identity": return true
  case "Concat": return operands.count == 1
  case "Transpose":
    guard case .ints(let order)? = node.attribute("perm") else { return from.type.rank <= 1 }
    return order == (0..<Int64(order.count)).map { $0 }
  default: return reshaping.contains(node.op) && isSame
  }
}
