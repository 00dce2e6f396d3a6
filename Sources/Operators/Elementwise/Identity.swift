import GraphIR
import KernelIR
import Support
import Tensors

/// The operand.
public struct Identity: Operator {
  public static let schema = Schema(
    "Identity", since: [1, 13, 14, 16, 19, 21, 23], operands: 1...1)
  public static let fields: [AttributeField<Identity>] = []

  public init() {}

  public func infer(_ context: InferenceContext) throws(Diagnostic) -> [ValueType] { [try context.type(0)] }

  public func evaluate(_ operands: [Tensor?]) throws(Diagnostic) -> [Tensor] { [try operands.tensor(0)] }

  public func lower(_ context: inout LoweringContext) throws(Diagnostic) -> [BufferID]? {
    let x = try context.operand(0)
    return [context.view(x.buffer, x.type.shape)]
  }
}
