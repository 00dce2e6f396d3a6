import GraphIR
import Support
import Tensors

/// A node on its way from the model to the graph: its operands are known, its form may still be old.
struct PendingNode {
  var op: String
  var domain: String
  let name: String
  let index: Int
  /// The opset version of its domain that the model states.
  let version: Int64
  var operands: [ValueID]
  var attributes: [Attribute] = []
  /// Graphs among the attributes.
  var graphs: [(name: String, graph: GraphMessage)] = []
  var outputs: [String]

  init(_ message: NodeMessage, _ operands: [ValueID], version: Int64) {
    op = message.op
    domain = Domain.canonical(message.domain)
    name = message.name
    index = message.index
    self.version = version
    self.operands = operands
    outputs = message.outputs
    while outputs.count > 1, outputs.last == "" { outputs.removeLast() }
  }

  /// The operand, or `none` where the node has fewer.
  func operand(_ index: Int) -> ValueID { index < operands.count ? operands[index] : .none }

  /// Sets an operand, with absent ones before it where there are fewer.
  mutating func setOperand(_ index: Int, _ value: ValueID) {
    while operands.count <= index { operands.append(.none) }
    operands[index] = value
  }

  mutating func set(_ name: String, _ value: Attribute.Value) {
    _ = take(name)
    attributes.append(Attribute(name, value))
  }

  /// Removes the attribute and returns its value.
  mutating func take(_ name: String) -> Attribute.Value? {
    guard let index = attributes.firstIndex(where: { $0.name == name }) else { return nil }
    return attributes.remove(at: index).value
  }

  mutating func takeInt(_ name: String) throws(Diagnostic) -> Int64? {
    guard let value = take(name) else { return nil }
    guard case .int(let int) = value else { throw wrongType(name, "an integer") }
    return int
  }

  mutating func takeInts(_ name: String) throws(Diagnostic) -> [Int64]? {
    guard let value = take(name) else { return nil }
    guard case .ints(let ints) = value else { throw wrongType(name, "integers") }
    return ints
  }

  mutating func takeFloat(_ name: String) throws(Diagnostic) -> Float? {
    guard let value = take(name) else { return nil }
    guard case .float(let float) = value else { throw wrongType(name, "a float") }
    return float
  }

  mutating func takeFloats(_ name: String) throws(Diagnostic) -> [Float]? {
    guard let value = take(name) else { return nil }
    guard case .floats(let floats) = value else { throw wrongType(name, "floats") }
    return floats
  }

  mutating func takeString(_ name: String) throws(Diagnostic) -> String? {
    guard let value = take(name) else { return nil }
    guard case .string(let string) = value else { throw wrongType(name, "a string") }
    return string
  }

  private func wrongType(_ name: String, _ allowed: String) -> Diagnostic {
    Diagnostic(.invalidAttribute, "attribute '\(name)' of \(op) is not \(allowed)")
  }
}
