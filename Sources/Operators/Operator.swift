import GraphIR
import KernelIR
import Support
import Tensors

/// An operator of the graph: a value whose stored properties are its attributes. One file defines all of
/// it, and `OperatorSet` lists it. Types here are those that the operator computes on: for a quantized node
/// (rule Q) the caller has replaced its quantized operands by their f32 values.
public protocol Operator: Equatable, Sendable {
  static var schema: Schema { get }
  /// The one list from which import, printing, parsing and equality of attributes derive.
  static var fields: [AttributeField<Self>] { get }
  /// Every attribute at its default.
  init()

  /// The results' types. Throws `invalidOperand`; the caller adds the node.
  func infer(_ context: InferenceContext) throws(Diagnostic) -> [ValueType]
  /// Holds results of these types to be possible; by default, to agree with what `infer` finds.
  func check(_ results: [ValueType], _ context: InferenceContext) throws(Diagnostic)
  /// The meaning of the operator: slow, obvious, normative. Operands satisfy `infer`; absent ones are nil.
  func evaluate(_ operands: [Tensor?]) throws(Diagnostic) -> [Tensor]
  /// The same for an operator that runs the regions of its node; others ignore them.
  func evaluate(_ operands: [Tensor?], regions: [Graph], _ operators: OperatorSet) throws(Diagnostic)
    -> [Tensor]
  /// Adds kernels with the same bytes and returns the buffers of the results, or nil where the operator, or
  /// these types or attributes of it, have none.
  func lower(_ context: inout LoweringContext) throws(Diagnostic) -> [BufferID]?
}

public struct Schema: Sendable {
  public let name: String
  /// The empty domain is ONNX's own.
  public let domain: String
  /// The opset versions that changed it; import upgrades older nodes to the last.
  public let since: [Int]
  public let operands: ClosedRange<Int>
  public let results: ClosedRange<Int>
  /// The operands that may be absent although later ones are present.
  public let optional: Set<Int>
  /// Whether the operator converts between stored and real numbers itself, so that rule Q leaves it alone.
  public let isConversion: Bool

  public init(
    _ name: String, domain: String = "", since: [Int], operands: ClosedRange<Int>,
    results: ClosedRange<Int> = 1...1, optional: Set<Int> = [], isConversion: Bool = false
  ) {
    self.name = name
    self.domain = domain
    self.since = since
    self.operands = operands
    self.results = results
    self.optional = optional
    self.isConversion = isConversion
  }
}

/// One attribute: its name in ONNX and the property that holds it.
public struct AttributeField<Root>: Sendable {
  public let name: String
  /// Nil for an attribute that is absent.
  let get: @Sendable (Root) -> Attribute.Value?
  /// False if the value is of another type.
  let set: @Sendable (inout Root, Attribute.Value) -> Bool

  public init<Property: AttributeConvertible>(
    _ name: String, _ path: any WritableKeyPath<Root, Property> & Sendable
  ) {
    self.name = name
    get = { $0[keyPath: path].attributeValue }
    set = { root, value in
      guard let property = Property(attributeValue: value) else { return false }
      root[keyPath: path] = property
      return true
    }
  }
}

extension Operator {
  public func check(_ results: [ValueType], _ context: InferenceContext) throws(Diagnostic) {
    let inferred = try infer(context)
    guard results.count <= inferred.count, zip(results, inferred).allSatisfy({ $0.agrees(with: $1) }) else {
      throw Diagnostic(.invalidOperand, "the results are \(results), inferred are \(inferred)")
    }
  }

  public func evaluate(
    _ operands: [Tensor?], regions: [Graph], _ operators: OperatorSet
  ) throws(Diagnostic) -> [Tensor] { try evaluate(operands) }

  public func lower(_ context: inout LoweringContext) throws(Diagnostic) -> [BufferID]? { nil }

  /// The attributes that differ from their defaults, in the order of `fields`: what a node stores.
  public var attributes: [Attribute] {
    let defaults = Self()
    return Self.fields.compactMap { field in
      guard let value = field.get(self), value != field.get(defaults) else { return nil }
      return Attribute(field.name, value)
    }
  }

  /// - Throws: `invalidAttribute` for a name or type that `fields` does not have.
  public init(_ attributes: [Attribute]) throws(Diagnostic) {
    self.init()
    for attribute in attributes {
      let field = Self.fields.first { $0.name == attribute.name }
      guard let field, field.set(&self, attribute.value) else {
        let defaults = Self()
        let known = Self.fields.map { field in
          field.get(defaults).map { Attribute(field.name, $0).description } ?? field.name
        }
        throw Diagnostic(
          .invalidAttribute,
          "'\(attribute)' is not among {\(known.joined(separator: ", "))} in name and type")
      }
    }
  }

  public static func == (left: Self, right: Self) -> Bool { left.attributes == right.attributes }
}
