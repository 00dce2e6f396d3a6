import Support
import Tensors

extension Graph {
  /// The same graph in which no two values share a name and none is empty, so that buffers and schemes may go by
  /// them; likewise no two nodes. Names of inputs and outputs stay.
  public func withUniqueNames() -> Graph {
    var rewriter = Rewriter(self)
    var taken: Set<String> = []
    for id in inputs { taken.insert(values[id].name) }
    for id in outputs where values[id].definition == .result { taken.insert(values[id].name) }
    let interface = Set(outputs)
    var seen: Set<String> = []
    for id in order.flatMap({ results(of: $0) }) + constants {
      let name = values[id].name
      if interface.contains(id), !name.isEmpty, seen.insert(name).inserted { continue }
      if !name.isEmpty, taken.insert(name).inserted { continue }
      let base = name.isEmpty ? "\(values[id].constant == nil ? "v" : "c")\(id.index)" : name
      var candidate = base
      var number = 2
      while !taken.insert(candidate).inserted {
        candidate = "\(base).\(number)"
        number += 1
      }
      rewriter.setName(of: id, to: candidate)
    }
    var nodeNames: Set<String> = []
    for id in order {
      let node = nodes[id]
      let base = node.name.isEmpty ? "\(node.op)_\(id.index)" : node.name
      var candidate = base
      var number = 2
      while !nodeNames.insert(candidate).inserted {
        candidate = "\(base).\(number)"
        number += 1
      }
      guard candidate != node.name else { continue }
      let named = Node(
        node.op, domain: node.domain, name: candidate, node.attributes, regions: node.regions,
        sources: node.sources)
      rewriter.redefine(id, as: named, operands(of: id))
    }
    return rewriter.finish()
  }

  /// The same graph with other outputs, for looking at what lies between.
  package func returning(_ outputs: [ValueID]) -> Graph {
    var rewriter = Rewriter(self)
    rewriter.setOutputs(outputs)
    return rewriter.finish()
  }

  /// Some nodes as a graph of their own: what they take from elsewhere are its inputs, in the order of ids.
  /// - Parameters:
  ///   - nodes: in program order.
  ///   - outputs: results of these nodes, or constants.
  /// - Precondition: names are unique.
  package func extracting(_ nodes: [NodeID], returning outputs: [ValueID], name: String) -> Graph {
    let defined = Set(nodes.flatMap { results(of: $0) })
    let needed = Set(nodes.flatMap { operands(of: $0) }).union(outputs).filter { !$0.isNone }.subtracting(
      defined)
    var builder = GraphBuilder(name: name)
    var new = SideTable<ValueID, ValueID>(default: .none)
    for id in needed.sorted() where values[id].constant == nil {
      new[id] = builder.input(values[id].name, values[id].type, quantization: values[id].quantization)
    }
    for id in needed.sorted() {
      guard let constant = values[id].constant else { continue }
      new[id] = builder.constant(constant, name: values[id].name, quantization: values[id].quantization)
    }
    for node in nodes {
      let results = results(of: node)
      let operands = operands(of: node).map { $0.isNone ? $0 : new[$0] }
      let made = builder.node(self.nodes[node], operands, results: results.map { values[$0] })
      for (old, id) in zip(results, made) { new[old] = id }
    }
    return builder.finish(returning: outputs.map { new[$0] })
  }
}
