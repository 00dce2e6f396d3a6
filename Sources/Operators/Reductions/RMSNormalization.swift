import GraphIR
import KernelIR
import Support
import Tensors

/// x / √(Σx² / n + epsilon) · scale over the dimensions from `axis` on, with a scale that broadcasts to them.
public struct RMSNormalization: Operator {
  public var axis = -1
  public var epsilon: Float = 1e-5
  /// ONNX's number of the type to compute in; only f32.
  public var stashType = 1

  public static let schema = Schema("RMSNormalization", since: [23], operands: 2...2)
  public static let fields: [AttributeField<RMSNormalization>] = [
    AttributeField("axis", \.axis), AttributeField("epsilon", \.epsilon),
    AttributeField("stash_type", \.stashType),
  ]

  public init() {}

  /// The norm with centring has the same operands.
  private var layer: LayerNormalization {
    var layer = LayerNormalization()
    (layer.axis, layer.epsilon, layer.stashType) = (axis, epsilon, stashType)
    return layer
  }

  public func infer(_ context: InferenceContext) throws(Diagnostic) -> [ValueType] {
    try layer.infer(context)
  }

  public func evaluate(_ operands: [Tensor?]) throws(Diagnostic) -> [Tensor] {
    [try layer.normalize(operands, centres: false)]
  }

  public func lower(_ context: inout LoweringContext) throws(Diagnostic) -> [BufferID]? {
    [try layer.lower(&context, centres: false)]
  }
}
