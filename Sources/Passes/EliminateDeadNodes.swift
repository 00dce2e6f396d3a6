import GraphIR
import Operators
import Support

extension Pass {
  public static let eliminateDeadNodes = Pass(
    "eliminate-dead-nodes", "erases nodes and constants that no output depends on", run: eliminate)
}

/// One backward walk: a value is live if it is an output or an operand of a live node. Then the same within
/// the regions of what is left, each node one change; their inputs stay, as the node gives them.
private func eliminate(_ rewriter: inout Rewriter, _ operators: OperatorSet) {
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
  for node in rewriter.graph.order where !rewriter.graph.nodes[node].regions.isEmpty {
    let old = rewriter.graph.nodes[node]
    var changes = 0
    let regions = old.regions.map { region -> Graph in
      var inner = Rewriter(region)
      eliminate(&inner, operators)
      changes += inner.changes
      return inner.finish()
    }
    guard changes > 0 else { continue }
    guard rewriter.startChange() else { return }
    let new = Node(
      old.op, domain: old.domain, name: old.name, old.attributes, regions: regions, sources: old.sources)
    rewriter.redefine(node, as: new, rewriter.graph.operands(of: node))
  }
}
