import Support
import Tensors

/// The only way for a pass to change a graph. A change is what keeps the graph valid as a whole; it begins
/// with `startChange`, which counts it and refuses it from the limit on, so that every pass can be bisected.
public struct Rewriter: ~Copyable {
  /// The graph as it stands. Ids stay valid until `finish`; new nodes are in its order, erased ones are not.
  public private(set) var graph: Graph
  public private(set) var changes = 0
  private let limit: Int

  public init(_ graph: consuming Graph, limit: Int = .max) {
    self.graph = graph
    self.limit = limit
  }

  /// Counts a change. The edits up to the next call belong to it.
  /// - Returns: false when the limit is reached: change nothing more.
  public mutating func startChange() -> Bool {
    guard changes < limit else { return false }
    changes += 1
    return true
  }

  /// The graph in canonical numbering.
  /// - Parameter droppingDeadConstants: leaves out constants that nobody uses, without counting them.
  public consuming func finish(droppingDeadConstants: Bool = false) -> Graph {
    if droppingDeadConstants {
      let uses = graph.useCounts()
      let values = graph.values
      graph.leaves = graph.leaves.filter { values[$0].constant == nil || uses[$0] > 0 }
    }
    return graph.renumbered()
  }
}

// MARK: Whole changes

extension Rewriter {
  /// Goes backward, so that wherever the limit strikes, no user is left without its operand. Each node is a
  /// change of its own.
  /// - Precondition: only these nodes use the results of these nodes.
  public mutating func eraseNodes(where isDead: (NodeID) -> Bool) {
    var kept: [NodeID] = []
    for node in graph.order.reversed() where !(isDead(node) && startChange()) { kept.append(node) }
    graph.order = kept.reversed()
  }

  /// Each constant is a change of its own.
  /// - Precondition: nobody uses these constants. Inputs are the graph's interface and stay.
  public mutating func eraseConstants(where isDead: (ValueID) -> Bool) {
    var kept: [ValueID] = []
    for leaf in graph.leaves where !(graph.values[leaf].constant != nil && isDead(leaf) && startChange()) {
      kept.append(leaf)
    }
    graph.leaves = kept
  }

  /// Turns the results of `node`, which disappears, into constants: one change.
  public mutating func replace(_ node: NodeID, with constants: [Tensor]) {
    guard startChange() else { return }
    for (result, tensor) in zip(graph.results(of: node), constants) {
      graph.values[result].type = ValueType(tensor.type)
      graph.values[result].definition = .constant(tensor)
      graph.leaves.append(result)
    }
    erase(node)
  }
}

// MARK: Edits, each part of the change that was started

extension Rewriter {
  /// A new constant. It is dead until something uses it.
  public mutating func constant(
    _ tensor: Tensor, name: String = "", quantization: Quantization? = nil
  ) -> ValueID {
    let id = graph.values.append(Value(name: name, constant: tensor, quantization: quantization))
    graph.leaves.append(id)
    return id
  }

  /// A new node before `place`, or at the end for `none`.
  /// - Returns: the values that it defines.
  public mutating func insert(
    _ node: Node, _ operands: [ValueID], results: [Value], before place: NodeID
  ) -> [ValueID] {
    graph.append(node, operands, results: results, at: index(of: place))
  }

  /// Gives the results of `id` another definition: another operator, attributes, operands.
  /// - Precondition: the operands are defined before `id`.
  public mutating func redefine(_ id: NodeID, as node: Node, _ operands: [ValueID]) {
    let start = graph.pool.count
    graph.nodes[id] = node
    graph.pool += operands
    graph.wiring[id].operands = start..<graph.pool.count
  }

  public mutating func setOperand(_ index: Int, of node: NodeID, to value: ValueID) {
    graph.pool[graph.wiring[node].operands.lowerBound + index] = value
  }

  /// - Precondition: nobody uses its results any more.
  public mutating func erase(_ node: NodeID) {
    let index = index(of: node)
    if index < graph.order.count { graph.order.remove(at: index) }
  }

  /// Every use of `old`, as an operand or an output, becomes one of `new`.
  /// - Precondition: `new` is defined before every user of `old`.
  public mutating func replaceUses(of old: ValueID, by new: ValueID) {
    for node in graph.order {
      for slot in graph.wiring[node].operands where graph.pool[slot] == old { graph.pool[slot] = new }
    }
    graph.outputs = graph.outputs.map { $0 == old ? new : $0 }
  }

  public mutating func setQuantization(of value: ValueID, to quantization: Quantization?) {
    graph.values[value].quantization = quantization
  }

  /// - Precondition: the value is no constant.
  public mutating func setType(of value: ValueID, to type: ValueType) { graph.values[value].type = type }

  public mutating func setName(of value: ValueID, to name: String) { graph.values[value].name = name }

  public mutating func setName(_ name: String) { graph.name = name }

  public mutating func setOutputs(_ outputs: [ValueID]) { graph.outputs = outputs }

  private func index(of node: NodeID) -> Int {
    node.isNone ? graph.order.endIndex : graph.order.firstIndex(of: node) ?? graph.order.endIndex
  }
}
