import GraphIR
import Operators
import Support
import Tensors

extension Rewriter {
  /// Replaces an If whose condition is constant by the nodes of the branch that it takes: one change.
  /// - Returns: whether it did.
  mutating func inlineBranch(_ id: NodeID) throws(Diagnostic) -> Bool {
    let node = graph.nodes[id]
    guard node.op == "If", node.domain.isEmpty, node.regions.count == 2,
      let condition = graph.constant(graph.operands(of: id)[0])
    else { return false }
    let (index, start) = try If.branch(condition, node.regions)
    let region = node.regions[index]
    // The name of an output is the graph's interface, and only a result of the branch can take it over.
    let results = graph.results(of: id)
    let isTaken = zip(results, region.outputs).contains { result, output in
      graph.outputs.contains(result)
        && (region.values[output].definition != .result || region.outputs.count { $0 == output } > 1)
    }
    guard !isTaken, startChange() else { return false }
    var new = SideTable<ValueID, ValueID>(default: .none)
    for (input, operand) in zip(region.inputs, graph.operands(of: id).dropFirst(start)) {
      new[input] = operand
    }
    for leaf in region.constants {
      if let tensor = region.values[leaf].constant {
        new[leaf] = constant(tensor, name: region.values[leaf].name)
      }
    }
    for inner in region.order {
      let operands = region.operands(of: inner).map { $0.isNone ? $0 : new[$0] }
      let values = region.results(of: inner)
      let ids = insert(
        region.nodes[inner].merging([node]), operands, results: values.map { region.values[$0] }, before: id)
      for (old, id) in zip(values, ids) { new[old] = id }
    }
    for (result, output) in zip(results, region.outputs) {
      if graph.outputs.contains(result) { setName(of: new[output], to: graph.values[result].name) }
      replaceUses(of: result, by: new[output])
    }
    erase(id)
    return true
  }
}
