import GraphIR
import Operators
import Support
import Tensors

extension Pass {
  public static let sinkTransposes = Pass(
    "sink-transposes",
    "moves Transposes through nodes to where they cancel or are smallest, and merges consecutive ones",
    run: sink)
}

/// For each permutation in the graph, a minimum cut tells which nodes should compute in the other layout so
/// that the fewest elements, then the fewest tensors, are transposed. Only strict gains are taken, so that
/// the sum never grows and the pass ends.
private func sink(_ rewriter: inout Rewriter, _ operators: OperatorSet) throws(Diagnostic) {
  var isChanged = true
  while isChanged {
    isChanged = rewriter.mergeTransposes()
    var seen: Set<Permutation> = []
    for node in rewriter.graph.order {
      guard let p = Permutation(node, rewriter.graph), !p.isIdentity, seen.insert(p).inserted,
        rewriter.graph.order.contains(node)
      else { continue }
      for sparing in [true, false] {
        guard let plan = try LayoutPlan(p, rewriter.graph, sparing: sparing) else { continue }
        guard rewriter.startChange() else { return }
        rewriter.apply(plan)
        isChanged = true
      }
    }
  }
}

extension Rewriter {
  /// Lets a Transpose of a Transpose read what the first one reads. - Returns: whether there was one.
  fileprivate mutating func mergeTransposes() -> Bool {
    let definers = graph.definers()
    var isChanged = false
    for node in graph.order {
      guard let second = Permutation(node, graph) else { continue }
      let middle = graph.operands(of: node)[0]
      let definer = definers[middle]
      guard let first = Permutation(definer, graph), graph.values[middle].quantization == nil,
        graph.values[graph.results(of: node)[0]].quantization == nil
      else { continue }
      let source = graph.values[graph.operands(of: definer)[0]].type
      let saved = graph.useCount(of: middle) == 1 ? first.cost(on: source) : 0
      guard first.then(second).cost(on: source) <= second.cost(on: graph.values[middle].type) + saved else {
        continue
      }
      guard startChange() else { return false }
      let merged = first.then(second).node(name: graph.nodes[node].name, sources: graph.nodes[node].sources)
      redefine(node, as: merged.merging([graph.nodes[definer]]), graph.operands(of: definer))
      eraseUnused([definer])
      eraseIdentity(node)
      isChanged = true
    }
    return isChanged
  }

  /// Those of the nodes whose results nobody uses.
  mutating func eraseUnused(_ nodes: [NodeID]) {
    for node in nodes where graph.results(of: node).allSatisfy({ graph.useCount(of: $0) == 0 }) {
      erase(node)
    }
  }

  /// A Transpose that keeps the order, unless the name of an output stands in the way.
  mutating func eraseIdentity(_ node: NodeID) {
    guard let p = Permutation(node, graph), p.isIdentity else { return }
    let (operand, result) = (graph.operands(of: node)[0], graph.results(of: node)[0])
    if graph.outputs.contains(result) {
      guard graph.values[operand].definition == .result, !graph.outputs.contains(operand) else { return }
      setName(of: operand, to: graph.values[result].name)
    }
    let definer = graph.definer(of: operand)
    if !definer.isNone {
      redefine(definer, as: graph.nodes[definer].merging([graph.nodes[node]]), graph.operands(of: definer))
    }
    replaceUses(of: result, by: operand)
    erase(node)
  }

  /// One change: the nodes of the plan in the other layout, and Transposes where the layouts meet.
  fileprivate mutating func apply(_ plan: LayoutPlan) {
    let p = plan.permutation
    let definers = graph.definers()
    let transposes = graph.order.filter { Permutation($0, graph) != nil }
    var moved = SideTable<ValueID, ValueID>(default: .none)
    var copies = SideTable<ValueID, ValueID>(default: .none)
    var ends: [NodeID] = []
    for (id, node) in plan.nodes {
      var operands: [ValueID] = []
      var merged: [Node] = []
      for operand in node.operands {
        switch operand {
        case .same(let value): operands.append(value.isNone || copies[value].isNone ? value : copies[value])
        case .constant(let tensor): operands.append(constant(tensor))
        case .data(let value):
          let definer = definers[value]
          let first = plan.transpose(definer, graph)
          if first == p { merged.append(graph.nodes[definer]) }
          if moved[value].isNone { moved[value] = enter(value, definer, first, p, before: id) }
          operands.append(moved[value])
        }
      }
      redefine(id, as: node.node.merging(merged), operands)
      guard node.resultsFollow else { continue }
      for result in graph.results(of: id) {
        setType(of: result, to: p.inverse.apply(graph.values[result].type))
        moved[result] = result
        ends += takeUp(result, plan)
        copies[result] = leave(result, of: id, plan)
      }
    }
    for end in ends { eraseIdentity(end) }
    eraseUnused(transposes.reversed())
  }

  /// A value in the other layout, for the first node that needs it so.
  private mutating func enter(
    _ value: ValueID, _ definer: NodeID, _ first: Permutation?, _ p: Permutation, before place: NodeID
  ) -> ValueID {
    let type = p.inverse.apply(graph.values[value].type)
    guard let first else {
      let sources = graph.nodes[place].sources
      return insert(p.inverse.node(sources: sources), [value], results: [Value(type)], before: place)[0]
    }
    let source = graph.operands(of: definer)[0]
    if first == p { return source }
    let node = first.then(p.inverse).node(sources: graph.nodes[definer].sources)
    return insert(node, [source], results: [Value(type)], before: place)[0]
  }

  /// Transposes of a value that is in the other layout now do what is left. - Returns: those nodes.
  private mutating func takeUp(_ result: ValueID, _ plan: LayoutPlan) -> [NodeID] {
    graph.users(of: result).filter { user in
      guard !plan.reads(user, result), let next = Permutation(user, graph) else { return false }
      let (name, sources) = (graph.nodes[user].name, graph.nodes[user].sources)
      redefine(user, as: plan.permutation.then(next).node(name: name, sources: sources), [result])
      return true
    }
  }

  /// Gives the other users of the old layout a transposed copy. - Returns: the copy, or none.
  private mutating func leave(_ result: ValueID, of id: NodeID, _ plan: LayoutPlan) -> ValueID {
    let users = graph.users(of: result).filter {
      !plan.reads($0, result) && Permutation($0, graph) == nil
    }
    guard !users.isEmpty || graph.outputs.contains(result) else { return .none }
    let value = graph.values[result]
    let old = Value(name: value.name, plan.permutation.apply(value.type))
    let place = graph.order.firstIndex(of: id).map { $0 + 1 } ?? graph.order.endIndex
    let next = place < graph.order.endIndex ? graph.order[place] : NodeID.none
    let node = plan.permutation.node(sources: graph.nodes[id].sources)
    let copy = insert(node, [result], results: [old], before: next)[0]
    for user in users {
      for (index, operand) in graph.operands(of: user).enumerated() where operand == result {
        setOperand(index, of: user, to: copy)
      }
    }
    setOutputs(graph.outputs.map { $0 == result ? copy : $0 })
    setName(of: result, to: "")
    return copy
  }
}
