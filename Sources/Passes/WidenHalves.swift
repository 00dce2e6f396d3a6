import GraphIR
import Operators
import Support
import Tensors

extension Pass {
  /// From f16 and bf16 to f32, which holds all their values: what quantization starts from. Inputs and outputs keep
  /// their types, by a Cast. Not part of the standard table, since results are rounded less often.
  public static let widenHalves = Pass(
    "widen-halves", "turns f16 and bf16 values into f32, but for inputs and outputs", run: widen)
}

private func widen(_ rewriter: inout Rewriter, _ operators: OperatorSet) throws(Diagnostic) {
  let graph = rewriter.graph
  let halves = graph.values.ids.filter {
    graph.values[$0].type.element.isHalf && graph.values[$0].quantization == nil
  }
  guard !halves.isEmpty, graph.order.allSatisfy({ graph.nodes[$0].regions.isEmpty }) else { return }
  // One change: between some of its edits types do not agree.
  guard rewriter.startChange() else { return }
  for id in graph.inputs where graph.values[id].type.element.isHalf {
    let first = rewriter.graph.order.first ?? .none
    let wide = rewriter.insertCast(of: id, to: .f32, before: first)
    for node in rewriter.graph.users(of: id) where rewriter.graph.results(of: node) != [wide] {
      rewriter.replaceOperands(of: node, id, by: wide)
    }
  }
  for id in graph.constants where graph.values[id].type.element.isHalf {
    guard let constant = graph.constant(id) else { continue }
    let wide = rewriter.constant(try constant.converted(to: .f32), name: graph.values[id].name)
    for node in rewriter.graph.users(of: id) { rewriter.replaceOperands(of: node, id, by: wide) }
  }
  for node in graph.order { try rewriter.widenResults(of: node, operators) }
  var outputs = rewriter.graph.outputs
  for (index, id) in graph.outputs.enumerated() {
    let value = rewriter.graph.values[id]
    guard graph.values[id].type.element.isHalf, value.type.element == .f32 else { continue }
    rewriter.setName(of: id, to: "")
    outputs[index] = rewriter.insertCast(
      of: id, to: graph.values[id].type.element, before: .none, name: value.name)
  }
  rewriter.setOutputs(outputs)
}

extension ElementType {
  fileprivate var isHalf: Bool { self == .f16 || self == .bf16 }

  /// Of a Cast to this type.
  fileprivate var castAttributes: [Attribute] { attributeValue.map { [Attribute("to", $0)] } ?? [] }
}

extension Rewriter {
  fileprivate mutating func insertCast(
    of value: ValueID, to element: ElementType, before place: NodeID, name: String = ""
  ) -> ValueID {
    insert(
      Node("Cast", element.castAttributes), [value],
      results: [Value(name: name, ValueType(element, graph.values[value].type.shape))], before: place)[0]
  }

  fileprivate mutating func replaceOperands(of node: NodeID, _ old: ValueID, by new: ValueID) {
    for (index, operand) in graph.operands(of: node).enumerated() where operand == old {
      setOperand(index, of: node, to: new)
    }
  }

  /// Results become what the operator makes of its wide operands; those that it makes half all the same are widened
  /// behind it.
  fileprivate mutating func widenResults(of node: NodeID, _ operators: OperatorSet) throws(Diagnostic) {
    let results = graph.results(of: node)
    guard results.contains(where: { graph.values[$0].type.element.isHalf }) else { return }
    if graph.nodes[node].op == "Cast", graph.nodes[node].domain.isEmpty {
      let cast = graph.nodes[node]
      redefine(
        node, as: Node("Cast", name: cast.name, ElementType.f32.castAttributes, sources: cast.sources),
        graph.operands(of: node))
      return setType(of: results[0], to: ValueType(.f32, graph.values[results[0]].type.shape))
    }
    for (id, inferred) in zip(results, try operators.infer(node, in: graph)) {
      let value = graph.values[id]
      guard value.type.element.isHalf else { continue }
      if inferred.element == .f32 {
        setType(of: id, to: ValueType(.f32, value.type.shape))
        continue
      }
      guard let position = graph.order.firstIndex(of: node) else { continue }
      let next = position + 1 < graph.order.count ? graph.order[position + 1] : .none
      let readers = graph.users(of: id)
      let wide = insertCast(of: id, to: .f32, before: next)
      for reader in readers { replaceOperands(of: reader, id, by: wide) }
    }
  }
}
