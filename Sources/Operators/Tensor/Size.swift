import GraphIR
import KernelIR
import Support
import Tensors

/// The number of elements, as i64.
public struct Size: Operator {
  public static let schema = Schema("Size", since: [1, 13, 19, 21, 23], operands: 1...1)
  public static let fields: [AttributeField<Size>] = []

  public init() {}

  public func infer(_ context: InferenceContext) throws(Diagnostic) -> [ValueType] {
    _ = try context.type(0)
    return [ValueType(.i64, [])]
  }

  public func evaluate(_ operands: [Tensor?]) throws(Diagnostic) -> [Tensor] {
    [try Tensor(TensorType(.i64, []), [try operands.tensor(0).count])]
  }
}
