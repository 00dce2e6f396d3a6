import GraphIR
import Operators
import Support
import Tensors

extension NodeMessage {
  var location: Diagnostic.Location { .node(index: index, op: op, name: name) }
}

extension GraphImporter {
  /// Adds a node in its newest form to the graph.
  /// - Returns: false if what is wrong was reported.
  func emit(_ pending: PendingNode) throws(Diagnostic) -> Bool {
    var operands = pending.operands
    while operands.last?.isNone == true { operands.removeLast() }
    var regions: [Graph] = []
    // What regions take from around them follows the operands, so all of those must have a place.
    while pending.op == "Loop", operands.count < 2 { operands.append(.none) }
    let own = operands
    if pending.op == "If", let condition = operands.first.flatMap({ $0.isNone ? nil : value(of: $0) }) {
      return try emitBranch(of: pending, condition)
    }
    for message in pending.regions {
      let region = GraphImporter(context, name: message.name, parent: self)
      guard let graph = region.graph(message, inputTypes: try pending.regionInputs(own, self)) else {
        return false
      }
      regions.append(graph)
      operands += region.captures
    }
    let node = Node(
      pending.op, domain: pending.domain, name: pending.name, pending.attributes, regions: regions,
      sources: [pending.index])
    try add(node, operands, outputs: pending.outputs)
    return true
  }

  /// Adds the nodes of the branch that an If of a known condition takes. What the other one holds need not fit
  /// the shapes that decided.
  private func emitBranch(of pending: PendingNode, _ condition: Tensor) throws(Diagnostic) -> Bool {
    let messages = pending.regions
    guard messages.count == 2, condition.count == 1, let choice = try condition.int64Elements().first else {
      throw Diagnostic(.invalidOperand, "an If needs two regions and a condition, which is \(condition.type)")
    }
    let importer = GraphImporter(context, name: messages[choice != 0 ? 0 : 1].name, parent: self)
    guard let region = importer.graph(messages[choice != 0 ? 0 : 1]) else { return false }
    guard pending.outputs.count <= region.outputs.count else {
      throw Diagnostic(
        .invalidOperand,
        "the node names \(pending.outputs.count) results, its branch has \(region.outputs.count)")
    }
    let node = Node(pending.op, name: pending.name, sources: [pending.index])
    var new = SideTable<ValueID, ValueID>(default: .none)
    for (input, outer) in zip(region.inputs, importer.captures) { new[input] = outer }
    for leaf in region.constants {
      if let tensor = region.values[leaf].constant {
        new[leaf] = constant(tensor, name: region.values[leaf].name)
      }
    }
    for inner in region.order {
      let operands = region.operands(of: inner).map { $0.isNone ? $0 : new[$0] }
      let results = region.results(of: inner)
      let ids = builder.node(
        region.nodes[inner].merging([node]), operands, results: results.map { region.values[$0] })
      for (old, id) in zip(results, ids) {
        new[old] = id
        if let tensor = importer.value(of: old) { learn(id, tensor) }
      }
    }
    for (name, output) in zip(pending.outputs, region.outputs) {
      try add(Node("Identity", name: pending.name, sources: [pending.index]), [new[output]], outputs: [name])
    }
    return true
  }

  /// A node that an upgrade needs before the one that it upgrades.
  func helper(
    _ op: String, _ operands: [ValueID], _ attributes: [Attribute] = [], for pending: PendingNode
  ) throws(Diagnostic) -> ValueID {
    let node = Node(op, name: pending.name, attributes, sources: [pending.index])
    return try add(node, operands, outputs: [""])[0]
  }

  @discardableResult
  private func add(
    _ node: Node, _ operands: [ValueID], outputs: [String]
  ) throws(Diagnostic) -> [ValueID] {
    let node = try canonical(node)
    var types = zip(try infer(node, operands, outputs.count), outputs).map { refined($0, name: $1) }
    let values = knownResults(node, operands, types)
    for (index, value) in values.prefix(types.count).enumerated() { types[index] = ValueType(value.type) }
    let ids = builder.node(node, operands, results: zip(outputs, types).map { Value(name: $0, $1) })
    for (id, value) in zip(ids, values) { learn(id, value) }
    for (output, id) in zip(outputs, ids) { define(output, id) }
    return ids
  }

  /// What inference leaves unknown is taken from what the model states.
  private func refined(_ type: ValueType, name: String) -> ValueType {
    guard type.shape.contains(.unknown), let message = stated[name],
      let stated = try? context.type(message, of: name), stated.rank == type.rank
    else { return type }
    return ValueType(type.element, zip(type.shape, stated.shape).map { $0 == .unknown ? $1 : $0 })
  }
}

extension PendingNode {
  /// In the order that operators expect.
  var regions: [GraphMessage] {
    let order = ["then_branch": 0, "else_branch": 1]
    return graphs.sorted { order[$0.name] ?? 2 < order[$1.name] ?? 2 }.map(\.graph)
  }

  /// The types of a region's inputs as far as the operands tell, for regions that do not state them.
  func regionInputs(_ operands: [ValueID], _ importer: GraphImporter) throws(Diagnostic) -> [ValueType] {
    func types(_ operands: ArraySlice<ValueID>) throws(Diagnostic) -> [ValueType] {
      guard !operands.contains(.none) else {
        throw Diagnostic(.invalidOperand, "an operand that the region needs is missing")
      }
      return operands.map(importer.type)
    }
    switch op {
    case "Loop":
      // Carried values may change their extents.
      let carried = try types(operands.dropFirst(2)).map { type in
        ValueType(type.element, type.shape.map { _ in .unknown })
      }
      return [ValueType(.i64, []), ValueType(.bool, [])] + carried
    case "Scan":
      var count = 0
      var axes: [Int64] = []
      for attribute in attributes {
        if attribute.name == "num_scan_inputs", case .int(let value) = attribute.value {
          count = Int(clamping: value)
        }
        if attribute.name == "scan_input_axes", case .ints(let values) = attribute.value { axes = values }
      }
      guard (0...operands.count).contains(count) else {
        throw Diagnostic(.invalidAttribute, "Scan has \(operands.count) operands, \(count) of them to scan")
      }
      let all = try types(operands[...])
      let scanned = try all.suffix(count).enumerated().map { (index, type) throws(Diagnostic) in
        let axis = index < axes.count ? axes[index] : 0
        let place = Int(clamping: axis < 0 ? axis + Int64(type.rank) : axis)
        guard type.shape.indices.contains(place) else {
          throw Diagnostic(.invalidAttribute, "axis \(axis) is none of \(type)")
        }
        return ValueType(type.element, Array(type.shape[..<place] + type.shape[(place + 1)...]))
      }
      return all.dropLast(count) + scanned
    default: return []
    }
  }
}
