import GraphIR
import KernelIR
import Support
import Tensors

/// Normalization over the spatial dimensions of x [N, C, spatial…], with a scale and a bias per channel.
public struct InstanceNormalization: Operator {
  public var epsilon: Float = 1e-5

  public static let schema = Schema("InstanceNormalization", since: [1, 6, 22], operands: 3...3)
  public static let fields: [AttributeField<InstanceNormalization>] = [AttributeField("epsilon", \.epsilon)]

  public init() {}

  public func infer(_ context: InferenceContext) throws(Diagnostic) -> [ValueType] {
    let x = try context.type(0, of: ElementType.narrowFloats)
    guard x.rank >= 3 else {
      throw Diagnostic(.invalidOperand, "x is \(x), allowed are three dimensions and more")
    }
    for index in 1...2 {
      let type = try context.type(index, of: ElementType.narrowFloats)
      guard type.agrees(with: ValueType(type.element, [x.shape[1]])) else {
        throw Diagnostic(.invalidOperand, "operand \(index) is \(type), x is \(x)")
      }
    }
    return [x]
  }

  public func evaluate(_ operands: [Tensor?]) throws(Diagnostic) -> [Tensor] {
    let x = try operands.tensor(0)
    let channel = indices(of: x.shape) { $0[1] }
    return [
      try Normalization(axis: 2, epsilon: epsilon).evaluate(
        x, scale: (try operands.tensor(1).floatElements(), channel),
        bias: (try operands.tensor(2).floatElements(), channel))
    ]
  }

  public func lower(_ context: inout LoweringContext) throws(Diagnostic) -> [BufferID]? {
    let x = try context.operand(0)
    let normalization = Normalization(axis: 2, epsilon: epsilon)
    return [try normalization.lower(x, scale: (1, [1]), bias: (2, [1]), &context)]
  }
}
