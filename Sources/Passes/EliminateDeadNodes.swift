import GraphIR
import Operators
import Support

extension Pass {
  public static let eliminateDeadNodes = Pass(
    "eliminate-dead-nodes", "erases nodes and constants that no output depends on", run: eliminate)
}

/// One backward walk: a value is live if it is an output or an operand of a live node.
private func eliminate(_ rewriter: inout Rewriter, _: OperatorSet) {
  var isLive = SideTable<ValueID, Bool>(default: false)
  var isDead = SideTable<NodeID, Bool>(default: false)
  let graph = rewriter.graph
  for output in graph.outputs { isLive[output] = true }
  for node in graph.order.reversed() {
    if graph.results(of: node).contains(where: { isLive[$0] }) {
      for operand in graph.operands(of: node) where !operand.isNone { isLive[operand] = true }
    } else {
      isDead[node] = true
    }
  }
  rewriter.eraseNodes { isDead[$0] }
  rewriter.eraseConstants { !isLive[$0] }
}
