import GraphIR
import KernelIR
import Support
import Tensors

/// (x - offset) · scale in f32, with one offset and scale, or one of each per index of the last dimension.
public struct Scaler: Operator {
  public var offset: [Float] = []
  public var scale: [Float] = []

  public static let schema = Schema("Scaler", domain: "ai.onnx.ml", since: [1], operands: 1...1)
  public static let fields: [AttributeField<Scaler>] = [
    AttributeField("offset", \.offset), AttributeField("scale", \.scale),
  ]

  public init() {}

  public func infer(_ context: InferenceContext) throws(Diagnostic) -> [ValueType] {
    let x = try context.type(0, of: FeatureRows.elements)
    let (count, features) = (offset.count, x.shape.last?.extent)
    guard count == scale.count, count == 1 || (count > 0 && x.rank > 0 && (features ?? count) == count) else {
      throw Diagnostic(.invalidAttribute, "\(count) offsets and \(scale.count) scales for \(x)")
    }
    return [ValueType(.f32, x.shape)]
  }

  public func evaluate(_ operands: [Tensor?]) throws(Diagnostic) -> [Tensor] {
    let x = try operands.tensor(0)
    let values = x.doubleElements().enumerated().map { index, element in
      let feature = index % offset.count
      return Arithmetic.multiply(Arithmetic.subtract(Float(element), offset[feature]), scale[feature])
    }
    return [try .floats(.f32, x.shape, values)]
  }
}
