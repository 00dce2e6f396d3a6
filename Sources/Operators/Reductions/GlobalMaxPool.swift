import GraphIR
import KernelIR
import Support
import Tensors

/// The largest element over all spatial dimensions.
public struct GlobalMaxPool: Operator {
  public static let schema = Schema("GlobalMaxPool", since: [1, 22], operands: 1...1)
  public static let fields: [AttributeField<GlobalMaxPool>] = []

  public init() {}

  /// The same over every dimension behind the second.
  private func reduction(rank: Int) -> ReduceMax {
    var reduction = ReduceMax()
    reduction.axes = Array(2..<max(rank, 2))
    reduction.noopWithEmptyAxes = true
    return reduction
  }

  public func infer(_ context: InferenceContext) throws(Diagnostic) -> [ValueType] {
    let x = try context.type(0, of: ElementType.narrowFloats)
    guard x.rank >= 2 else {
      throw Diagnostic(.invalidOperand, "x is \(x), allowed are two dimensions and more")
    }
    return try reduction(rank: x.rank).infer(context)
  }

  public func evaluate(_ operands: [Tensor?]) throws(Diagnostic) -> [Tensor] {
    try reduction(rank: try operands.tensor(0).shape.count).evaluate(operands)
  }

  public func lower(_ context: inout LoweringContext) throws(Diagnostic) -> [BufferID]? {
    try reduction(rank: try context.operand(0).type.shape.count).lower(&context)
  }
}
