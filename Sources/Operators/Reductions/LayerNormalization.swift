import GraphIR
import KernelIR
import Support
import Tensors

/// Normalization over the dimensions from `axis` on, with scale and bias that broadcast to them.
public struct LayerNormalization: Operator {
  public var axis = -1
  public var epsilon: Float = 1e-5
  /// ONNX's number of the type to compute in; only f32.
  public var stashType = 1

  public static let schema = Schema("LayerNormalization", since: [17], operands: 2...3, optional: [2])
  public static let fields: [AttributeField<LayerNormalization>] = [
    AttributeField("axis", \.axis), AttributeField("epsilon", \.epsilon),
    AttributeField("stash_type", \.stashType),
  ]

  public init() {}

  public func infer(_ context: InferenceContext) throws(Diagnostic) -> [ValueType] {
    let x = try context.type(0, of: ElementType.narrowFloats)
    let axis = try normalized(axis, rank: x.rank)
    guard stashType == 1 else {
      throw Diagnostic(.invalidOperand, "stash_type is \(stashType), allowed is 1")
    }
    for index in 1...2 where context.has(index) {
      let type = try context.type(index, of: ElementType.narrowFloats)
      let inner = ValueType(type.element, Array(x.shape[axis...]))
      guard type.rank <= inner.rank,
        try ValueType(type.element, broadcast([type, inner])).agrees(with: inner)
      else {
        throw Diagnostic(.invalidOperand, "operand \(index) is \(type), x is \(x)")
      }
    }
    return [x]
  }

  public func evaluate(_ operands: [Tensor?]) throws(Diagnostic) -> [Tensor] {
    [try normalize(operands, centres: true)]
  }

  func normalize(_ operands: [Tensor?], centres: Bool) throws(Diagnostic) -> Tensor {
    let (x, scale) = (try operands.tensor(0), try operands.tensor(1))
    let bias = operands.optional(2)
    let axis = try normalized(axis, rank: x.shape.count)
    return try Normalization(axis: axis, epsilon: epsilon, centres: centres).evaluate(
      x, scale: (scale.floatElements(), broadcastIndices(from: scale.shape, to: x.shape)),
      bias: bias.map { ($0.floatElements(), broadcastIndices(from: $0.shape, to: x.shape)) })
  }

  public func lower(_ context: inout LoweringContext) throws(Diagnostic) -> [BufferID]? {
    [try lower(&context, centres: true)]
  }

  func lower(_ context: inout LoweringContext, centres: Bool) throws(Diagnostic) -> BufferID {
    let x = try context.operand(0)
    let rank = x.type.shape.count
    let axis = try normalized(axis, rank: rank)
    let normalization = Normalization(axis: axis, epsilon: epsilon, centres: centres)
    func dimensions(_ shape: [Int]) -> [Int?] {
      shape.enumerated().map { $1 == 1 ? nil : rank - shape.count + $0 }
    }
    let scale = (1, dimensions(try context.operand(1).type.shape))
    let bias = context.has(2) ? (2, dimensions(try context.operand(2).type.shape)) : nil
    return try normalization.lower(x, scale: scale, bias: bias, &context)
  }
}
