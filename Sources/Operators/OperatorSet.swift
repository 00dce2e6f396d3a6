import GraphIR
import KernelIR
import Support
import Tensors

/// The operators of a session, by domain and name. A custom package adds its own to `standard`.
public struct OperatorSet: Sendable {
  /// In the order in which they were given.
  public let all: [any Operator.Type]
  private let byName: [String: any Operator.Type]

  /// Of operators with the same domain and name the last counts.
  public init(_ operators: [any Operator.Type]) {
    all = operators
    var byName: [String: any Operator.Type] = [:]
    for operator_ in operators {
      byName[Self.key(operator_.schema.domain, operator_.schema.name)] = operator_
    }
    self.byName = byName
  }

  public func adding(_ operators: [any Operator.Type]) -> OperatorSet { OperatorSet(all + operators) }

  /// The operator of that name, or nil. `ai.onnx` is the empty domain.
  public func find(_ op: String, domain: String = "") -> (any Operator.Type)? {
    byName[Self.key(domain, op)]
  }

  private static func key(_ domain: String, _ op: String) -> String {
    domain.isEmpty || domain == "ai.onnx" ? op : "\(domain):\(op)"
  }

  /// The typed operator of a node. - Throws: `unknownOperator`, `invalidAttribute`; without a place.
  public func instance(of node: Node) throws(Diagnostic) -> any Operator {
    guard let found = find(node.op, domain: node.domain) else {
      let name = node.domain.isEmpty ? node.op : "\(node.domain):\(node.op)"
      throw Diagnostic(.unknownOperator, "'\(name)' is not one of the \(all.count) operators")
    }
    return try found.init(node.attributes)
  }

  /// The typed operator of a node of a graph, its number of operands checked.
  public func instance(of node: NodeID, in graph: Graph) throws(Diagnostic) -> any Operator {
    let place = graph.location(of: node)
    do {
      let instance = try instance(of: graph.nodes[node])
      try Self.check(type(of: instance).schema, graph.operands(of: node).map { !$0.isNone })
      return instance
    } catch { throw error.located(at: place) }
  }

  private static func check(_ schema: Schema, _ isPresent: [Bool]) throws(Diagnostic) {
    guard schema.operands.contains(isPresent.count) else {
      throw Diagnostic(.invalidOperand, "\(isPresent.count) operands, allowed are \(schema.operands)")
    }
    for (index, isPresent) in isPresent.enumerated() where !isPresent {
      guard index >= schema.operands.lowerBound || schema.optional.contains(index) else {
        throw Diagnostic(.invalidOperand, "operand \(index) is absent")
      }
    }
  }

  /// The types of a node's results, before it is part of a graph. Types are those of the stored values;
  /// quantized operands count as f32.
  /// - Throws: `unknownOperator`, `invalidAttribute`, `invalidOperand`; without a place.
  public func infer(_ node: Node, _ operands: [OperandType?]) throws(Diagnostic) -> [ValueType] {
    let instance = try instance(of: node)
    try Self.check(type(of: instance).schema, operands.map { $0 != nil })
    return try instance.infer(InferenceContext(operands, regions: node.regions))
  }

  /// The types that the operator of a node gives its results: f32 where they are quantized.
  public func infer(_ node: NodeID, in graph: Graph) throws(Diagnostic) -> [ValueType] {
    let instance = try instance(of: node, in: graph)
    do { return try instance.infer(context(of: node, in: graph, instance)) } catch {
      throw error.located(at: graph.location(of: node))
    }
  }

  private func context(of node: NodeID, in graph: Graph, _ instance: any Operator) -> InferenceContext {
    let isConversion = type(of: instance).schema.isConversion
    let operands = graph.operands(of: node).map { value -> OperandType? in
      guard !value.isNone else { return nil }
      let found = graph.values[value]
      guard found.quantization != nil, !isConversion else {
        return OperandType(found.type, constant: found.constant)
      }
      return OperandType(ValueType(.f32, found.type.shape))
    }
    return InferenceContext(operands, regions: graph.nodes[node].regions)
  }

  /// Everything about operators that is wrong in a verified graph and its regions: names, attributes,
  /// operands, types.
  public func check(_ graph: Graph) -> [Diagnostic] {
    var findings: [Diagnostic] = []
    for node in graph.order {
      do { try check(node, in: graph) } catch { findings.append(error.located(at: graph.location(of: node))) }
      for region in graph.nodes[node].regions { findings += check(region) }
    }
    return findings
  }

  private func check(_ node: NodeID, in graph: Graph) throws(Diagnostic) {
    let instance = try instance(of: node, in: graph)
    let isConversion = type(of: instance).schema.isConversion
    let stated = graph.results(of: node).map { value -> ValueType in
      let result = graph.values[value]
      return result.quantization == nil || isConversion ? result.type : ValueType(.f32, result.type.shape)
    }
    try instance.check(stated, context(of: node, in: graph, instance))
  }
}

extension ValueType {
  /// Whether both can be the type of one value: symbols may turn out to be any extent.
  func agrees(with other: ValueType) -> Bool {
    guard element == other.element, rank == other.rank else { return false }
    return zip(shape, other.shape).allSatisfy { left, right in
      guard let a = left.extent, let b = right.extent else { return true }
      return a == b
    }
  }
}
