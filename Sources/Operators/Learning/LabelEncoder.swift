import GraphIR
import KernelIR
import Support
import Tensors

/// The value at the key that each element equals, NaN included, else the default. Keys and values are i64 or f32;
/// the first of equal keys counts. Text has no tensor type.
public struct LabelEncoder: Operator {
  public var integerKeys: [Int]?
  public var floatKeys: [Float]?
  public var keys: Tensor?
  public var integerValues: [Int]?
  public var floatValues: [Float]?
  public var values: Tensor?
  public var defaultInteger = -1
  public var defaultFloat: Float = -0.0
  public var defaultTensor: Tensor?

  public static let schema = Schema("LabelEncoder", domain: "ai.onnx.ml", since: [2, 4], operands: 1...1)
  public static let fields: [AttributeField<LabelEncoder>] = [
    AttributeField("keys_int64s", \.integerKeys), AttributeField("keys_floats", \.floatKeys),
    AttributeField("keys_tensor", \.keys), AttributeField("values_int64s", \.integerValues),
    AttributeField("values_floats", \.floatValues), AttributeField("values_tensor", \.values),
    AttributeField("default_int64", \.defaultInteger), AttributeField("default_float", \.defaultFloat),
    AttributeField("default_tensor", \.defaultTensor),
  ]

  public init() {}

  /// A list that is stated in one of three ways.
  private func list(
    _ integers: [Int]?, _ floats: [Float]?, _ tensor: Tensor?, _ name: String
  ) throws(Diagnostic) -> Tensor {
    var found: [Tensor] = []
    if let integers { found.append(try .integers(.i64, [integers.count], integers)) }
    if let floats { found.append(try .floats(.f32, [floats.count], floats)) }
    if let tensor { found.append(try tensor.reshaped([tensor.count])) }
    guard found.count == 1 else {
      throw Diagnostic(.invalidAttribute, "\(found.count) lists of \(name), allowed is one of numbers")
    }
    return found[0]
  }

  private func lists() throws(Diagnostic) -> (keys: Tensor, values: Tensor, absent: Tensor) {
    let keys = try list(integerKeys, floatKeys, keys, "keys")
    let values = try list(integerValues, floatValues, values, "values")
    guard keys.count == values.count, FeatureRows.elements.contains(values.element) else {
      throw Diagnostic(.invalidAttribute, "keys are \(keys.type), values are \(values.type)")
    }
    let stated: Tensor =
      values.element.isFloat
      ? try .floats(.f32, [1], [defaultFloat]) : try .integers(.i64, [1], [defaultInteger])
    var absent = try stated.converted(to: values.element)
    if let defaultTensor { absent = try defaultTensor.reshaped([defaultTensor.count]) }
    guard absent.count == 1, absent.element == values.element else {
      throw Diagnostic(.invalidAttribute, "the default is \(absent.type), values are \(values.type)")
    }
    return (keys, values, absent)
  }

  public func infer(_ context: InferenceContext) throws(Diagnostic) -> [ValueType] {
    let (keys, values, _) = try lists()
    let x = try context.type(0, of: [keys.element])
    return [ValueType(values.element, x.shape)]
  }

  public func evaluate(_ operands: [Tensor?]) throws(Diagnostic) -> [Tensor] {
    let x = try operands.tensor(0)
    let (keys, values, absent) = try lists()
    var places: [UInt64: Int] = [:]
    for (place, key) in Self.codes(keys).enumerated() where places[key] == nil { places[key] = place }
    let picked = Self.codes(x).map { places[$0] ?? -1 }
    return [try values.picking(x.shape, picked, fill: absent)]
  }

  /// Numbers that are equal where the elements are; integers keep all their bits.
  private static func codes(_ tensor: Tensor) -> [UInt64] {
    switch tensor.element {
    case .i64: tensor.elements(as: UInt64.self)
    default: tensor.doubleElements().map { $0.isNaN ? Double.nan.bitPattern : ($0 + 0).bitPattern }
    }
  }
}
