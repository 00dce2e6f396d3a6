import Support
import Tensors

/// Makes graphs: leaves and nodes in any order, operands before their users.
public struct GraphBuilder {
  /// What has been made so far, not yet in canonical numbering.
  public fileprivate(set) var graph: Graph

  public init(name: String) { graph = Graph(name: name) }

  public mutating func input(
    _ name: String, _ type: ValueType, quantization: Quantization? = nil
  ) -> ValueID {
    leaf(Value(name: name, type, quantization: quantization, definition: .input))
  }

  public mutating func constant(
    _ tensor: Tensor, name: String = "", quantization: Quantization? = nil
  ) -> ValueID {
    leaf(Value(name: name, constant: tensor, quantization: quantization))
  }

  /// - Parameter results: what the node defines; the definition of each is overwritten.
  @discardableResult
  public mutating func node(_ node: Node, _ operands: [ValueID], results: [Value]) -> [ValueID] {
    graph.append(node, operands, results: results, at: graph.order.endIndex)
  }

  /// A node with one unnamed result.
  public mutating func node(_ node: Node, _ operands: [ValueID], _ type: ValueType) -> ValueID {
    self.node(node, operands, results: [Value(type)])[0]
  }

  public consuming func finish(returning outputs: [ValueID]) -> Graph {
    graph.outputs = outputs
    return graph.renumbered()
  }

  fileprivate mutating func leaf(_ value: Value) -> ValueID {
    let id = graph.values.append(value)
    graph.leaves.append(id)
    return id
  }
}

extension Graph {
  /// Adds a node before position `index` of the program order.
  mutating func append(
    _ node: Node, _ operands: [ValueID], results: [Value], at index: Int
  ) -> [ValueID] {
    let ids = results.map { result in
      values.append(Value(name: result.name, result.type, quantization: result.quantization))
    }
    let start = pool.count
    let split = start + operands.count
    pool += operands + ids
    order.insert(nodes.append(node), at: index)
    wiring.append(Wiring(operands: start..<split, results: split..<pool.count))
    return ids
  }

  /// The same graph in canonical numbering (invariant G2), without what was erased.
  func renumbered() -> Graph {
    var builder = GraphBuilder(name: name)
    var new = SideTable<ValueID, ValueID>(default: .none)
    let renumber = { (id: ValueID) in id.isNone ? id : new[id] }
    for old in leaves { new[old] = builder.leaf(values[old]) }
    for id in order {
      let operands = operands(of: id).map(renumber)
      let results = builder.node(nodes[id], operands, results: self.results(of: id).map { values[$0] })
      for (old, result) in zip(self.results(of: id), results) { new[old] = result }
    }
    builder.graph.outputs = outputs.map(renumber)
    return builder.graph
  }
}
