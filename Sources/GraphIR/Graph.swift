import Support
import Tensors

public struct ValueID: EntityID {
  public static let sigil = "%"
  public let rawValue: UInt32
  @inlinable public init(rawValue: UInt32) { self.rawValue = rawValue }
}

public struct NodeID: EntityID {
  public static let sigil = "n"
  public let rawValue: UInt32
  @inlinable public init(rawValue: UInt32) { self.rawValue = rawValue }
}

public struct Value: Equatable, Sendable {
  public enum Definition: Equatable, Sendable {
    case input
    case constant(Tensor)
    case result
  }

  /// The name of the ONNX value that it is, or empty. Inputs and outputs are known to users by it.
  public package(set) var name: String
  public package(set) var type: ValueType
  /// What its stored numbers mean, for values of the canonical quantized form.
  public package(set) var quantization: Quantization?
  public package(set) var definition: Definition

  public init(
    name: String = "", _ type: ValueType, quantization: Quantization? = nil, definition: Definition = .result
  ) {
    self.name = name
    self.type = type
    self.quantization = quantization
    self.definition = definition
  }

  public init(name: String = "", constant: Tensor, quantization: Quantization? = nil) {
    self.init(
      name: name, ValueType(constant.type), quantization: quantization, definition: .constant(constant))
  }

  public var constant: Tensor? {
    guard case .constant(let tensor) = definition else { return nil }
    return tensor
  }
}

/// An application of an operator, apart from its operands and results.
public struct Node: Equatable, Sendable {
  public let op: String
  /// The operator's domain; empty is ONNX's own.
  public let domain: String
  /// The name of the ONNX node that it comes from, or empty.
  public let name: String
  /// In the order of the operator's schema, defaults left out.
  public let attributes: [Attribute]
  /// Closed graphs that the operator runs. What a region takes from around it are inputs of the region and
  /// trailing operands of the node.
  public let regions: [Graph]
  /// Provenance: the indices, in the model as it was read, of all nodes that it stands for, ascending.
  public let sources: [Int]

  public init(
    _ op: String, domain: String = "", name: String = "", _ attributes: [Attribute] = [],
    regions: [Graph] = [], sources: [Int] = []
  ) {
    self.op = op
    self.domain = domain
    self.name = name
    self.attributes = attributes
    self.regions = regions
    self.sources = sources
  }

  /// The value of an attribute, or nil where the node leaves it at its default.
  public func attribute(_ name: String) -> Attribute.Value? {
    attributes.first { $0.name == name }?.value
  }

  /// The same node standing also for what `others` stand for.
  public func merging(_ others: [Node]) -> Node {
    let all = Set(others.flatMap(\.sources) + sources).sorted()
    return Node(op, domain: domain, name: name, attributes, regions: regions, sources: all)
  }

  /// The same node with an attribute set, behind the others where it is new.
  public func setting(_ name: String, _ value: Attribute.Value) -> Node {
    var attributes = attributes
    if let index = attributes.firstIndex(where: { $0.name == name }) {
      attributes[index] = Attribute(name, value)
    } else {
      attributes.append(Attribute(name, value))
    }
    return Node(op, domain: domain, name: self.name, attributes, regions: regions, sources: sources)
  }
}

/// A graph of ONNX-level operators. Entities live in tables and refer to each other by id; program order
/// is a list apart from them, so that erasing or moving a node touches nothing else. Only the builder and
/// the rewriter write to the tables, and tests that break them.
public struct Graph: Equatable, Sendable {
  /// Where in the pool the operands and results of a node lie.
  @usableFromInline
  package struct Wiring: Equatable, Sendable {
    @usableFromInline package var operands: Range<Int>
    @usableFromInline package var results: Range<Int>
  }

  public package(set) var name: String
  public package(set) var values = EntityMap<ValueID, Value>()
  public package(set) var nodes = EntityMap<NodeID, Node>()
  /// Inputs and constants, in the order of the text form.
  public package(set) var leaves: [ValueID] = []
  /// Program order. A node that is not in it does not exist.
  public package(set) var order: [NodeID] = []
  public package(set) var outputs: [ValueID] = []
  /// The operand and result lists of all nodes, end to end.
  @usableFromInline package var pool: [ValueID] = []
  @usableFromInline package var wiring = EntityMap<NodeID, Wiring>()

  /// `none` where an optional operand is absent.
  @inlinable public func operands(of node: NodeID) -> [ValueID] { Array(pool[wiring[node].operands]) }
  @inlinable public func results(of node: NodeID) -> [ValueID] { Array(pool[wiring[node].results]) }

  public var inputs: [ValueID] { leaves.filter { values[$0].definition == .input } }
  public var constants: [ValueID] { leaves.filter { values[$0].constant != nil } }

  /// The constant that `value` is, or nil for other values and for `none`.
  public func constant(_ value: ValueID) -> Tensor? { value.isNone ? nil : values[value].constant }

  public func location(of node: NodeID) -> Diagnostic.Location {
    .node(index: node.index, op: nodes[node].op, name: nodes[node].name)
  }

  /// The node that defines each value; `none` for leaves.
  public func definers() -> SideTable<ValueID, NodeID> {
    var definers = SideTable<ValueID, NodeID>(default: .none)
    for node in order { for result in results(of: node) { definers[result] = node } }
    return definers
  }

  /// The node that defines one value, or `none`. One scan; `definers` tells it of all values.
  public func definer(of value: ValueID) -> NodeID {
    order.first { pool[wiring[$0].results].contains(value) } ?? .none
  }

  /// The nodes that use one value, in program order. One scan; `users` tells it of all values.
  public func users(of value: ValueID) -> [NodeID] {
    order.filter { pool[wiring[$0].operands].contains(value) }
  }

  /// How often one value is an operand or an output.
  public func useCount(of value: ValueID) -> Int {
    order.reduce(outputs.count { $0 == value }) { sum, node in
      sum + pool[wiring[node].operands].count { $0 == value }
    }
  }

  /// How often each value is an operand or an output.
  public func useCounts() -> SideTable<ValueID, Int> {
    var counts = SideTable<ValueID, Int>(default: 0)
    for output in outputs { counts[output] += 1 }
    for node in order { for operand in operands(of: node) where !operand.isNone { counts[operand] += 1 } }
    return counts
  }

  /// The nodes that use each value, in program order, each once.
  public func users() -> SideTable<ValueID, [NodeID]> {
    var users = SideTable<ValueID, [NodeID]>(default: [])
    for node in order {
      for operand in Set(operands(of: node)) where !operand.isNone { users[operand].append(node) }
    }
    return users
  }
}
