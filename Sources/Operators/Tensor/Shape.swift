import GraphIR
import KernelIR
import Support
import Tensors

/// The extents of the operand from dimension `start` to before `end`, as i64.
public struct Shape: Operator {
  public var start = 0
  public var end: Int?

  public static let schema = Schema("Shape", since: [1, 13, 15, 19, 21, 23], operands: 1...1)
  public static let fields: [AttributeField<Shape>] = [
    AttributeField("start", \.start), AttributeField("end", \.end),
  ]

  public init() {}

  /// Bounds clamp to the rank.
  func range(rank: Int) -> Range<Int> {
    func clamp(_ bound: Int) -> Int { min(max(bound < 0 ? bound + rank : bound, 0), rank) }
    let lower = clamp(start)
    return lower..<max(lower, end.map(clamp) ?? rank)
  }

  public func infer(_ context: InferenceContext) throws(Diagnostic) -> [ValueType] {
    [ValueType(.i64, [.fixed(range(rank: try context.type(0).rank).count)])]
  }

  public func evaluate(_ operands: [Tensor?]) throws(Diagnostic) -> [Tensor] {
    let shape = try operands.tensor(0).shape
    return [try .shape(Array(shape[range(rank: shape.count)]))]
  }

  /// The value, where the operand's type alone tells it.
  public func value(of type: ValueType) throws(Diagnostic) -> Tensor? {
    let extents = type.shape[range(rank: type.rank)].compactMap(\.extent)
    return extents.count == range(rank: type.rank).count ? try .shape(extents) : nil
  }
}
