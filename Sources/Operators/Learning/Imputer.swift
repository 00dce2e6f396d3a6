import GraphIR
import KernelIR
import Support
import Tensors

/// x with a value in place of each element that equals the one to replace, NaN included. There is one value, or
/// one per feature: per index of the last dimension.
public struct Imputer: Operator {
  public var floats: [Float]?
  public var integers: [Int]?
  public var replacedFloat: Float = 0
  public var replacedInteger = 0

  public static let schema = Schema("Imputer", domain: "ai.onnx.ml", since: [1], operands: 1...1)
  public static let fields: [AttributeField<Imputer>] = [
    AttributeField("imputed_value_floats", \.floats), AttributeField("imputed_value_int64s", \.integers),
    AttributeField("replaced_value_float", \.replacedFloat),
    AttributeField("replaced_value_int64", \.replacedInteger),
  ]

  public init() {}

  public func infer(_ context: InferenceContext) throws(Diagnostic) -> [ValueType] {
    let x = try context.type(0, of: FeatureRows.elements)
    let count = (x.element.isFloat ? floats?.count : integers?.count) ?? 0
    let features = x.shape.last?.extent
    guard count == 1 || (count > 0 && x.rank > 0 && (features == nil || features == count)) else {
      throw Diagnostic(.invalidAttribute, "\(count) values to impute for \(x)")
    }
    return [x]
  }

  public func evaluate(_ operands: [Tensor?]) throws(Diagnostic) -> [Tensor] {
    let x = try operands.tensor(0)
    if !x.element.isFloat {
      let values = integers ?? []
      let result = try x.int64Elements().enumerated().map { index, element in
        element == replacedInteger ? values[index % values.count] : element
      }
      return [try .integers(x.element, x.shape, result)]
    }
    let values = (floats ?? []).map { Double($0) }
    let replaced = Double(replacedFloat)
    let result = x.doubleElements().enumerated().map { index, element in
      element == replaced || (element.isNaN && replaced.isNaN) ? values[index % values.count] : element
    }
    return [try Tensor.doubles(x.shape, result).converted(to: x.element)]
  }
}
