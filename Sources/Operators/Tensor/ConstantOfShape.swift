import GraphIR
import KernelIR
import Support
import Tensors

/// A tensor of the shape in the operand, filled with the element of `value` (default f32 0).
public struct ConstantOfShape: Operator {
  public var value: Tensor?

  public static let schema = Schema("ConstantOfShape", since: [9, 20, 21, 23], operands: 1...1)
  public static let fields: [AttributeField<ConstantOfShape>] = [AttributeField("value", \.value)]

  public init() {}

  public func infer(_ context: InferenceContext) throws(Diagnostic) -> [ValueType] {
    guard value == nil || value?.count == 1 else {
      throw Diagnostic(.invalidAttribute, "value has \(value?.count ?? 0) elements, allowed is one")
    }
    let element = value?.element ?? .f32
    if let shape = try context.integers(0) {
      _ = try TensorType(element, shape).byteCount()
      return [ValueType(element, shape.map(Dimension.fixed))]
    }
    guard let rank = try context.length(0), rank <= 64 else {
      throw Diagnostic(.invalidOperand, "the rank of the result is not known before the graph runs")
    }
    return [ValueType(element, Array(repeating: .unknown, count: rank))]
  }

  public func evaluate(_ operands: [Tensor?]) throws(Diagnostic) -> [Tensor] {
    let shape = try operands.tensor(0).int64Elements()
    let zero = try Tensor(TensorType(.f32, [1]), [Float(0)])
    return [try (value ?? zero).picking(shape, indices(of: shape) { _ in 0 })]
  }
}
