import GraphIR
import KernelIR
import Support
import Tensors

/// A tensor stated by exactly one attribute. Import makes constants of such nodes.
public struct Constant: Operator {
  public var value: Tensor?
  public var valueFloat: Float?
  public var valueFloats: [Float]?
  public var valueInt: Int?
  public var valueInts: [Int]?

  public static let schema = Schema("Constant", since: [1, 9, 11, 12, 13, 19, 21, 23], operands: 0...0)
  public static let fields: [AttributeField<Constant>] = [
    AttributeField("value", \.value),
    AttributeField("value_float", \.valueFloat),
    AttributeField("value_floats", \.valueFloats), AttributeField("value_int", \.valueInt),
    AttributeField("value_ints", \.valueInts),
  ]

  public init() {}

  private func tensor() throws(Diagnostic) -> Tensor {
    if let value { return value }
    if let valueFloat { return try Tensor(TensorType(.f32, []), [valueFloat]) }
    if let valueFloats { return try Tensor(TensorType(.f32, [valueFloats.count]), valueFloats) }
    if let valueInt { return try Tensor(TensorType(.i64, []), [valueInt]) }
    if let valueInts { return try .shape(valueInts) }
    throw Diagnostic(.invalidAttribute, "a Constant has no value")
  }

  public func infer(_ context: InferenceContext) throws(Diagnostic) -> [ValueType] {
    [ValueType(try tensor().type)]
  }

  public func evaluate(_ operands: [Tensor?]) throws(Diagnostic) -> [Tensor] { [try tensor()] }
}
