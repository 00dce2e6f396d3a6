import GraphIR
import KernelIR
import Support
import Tensors

/// Without the dimensions of extent 1 that operand 1 names, or without all of them.
public struct Squeeze: ReshapingOperator {
  public static let schema = Schema("Squeeze", since: [1, 11, 13, 21, 23], operands: 1...2, optional: [1])
  public static let fields: [AttributeField<Squeeze>] = []

  public init() {}

  public func infer(_ context: InferenceContext) throws(Diagnostic) -> [ValueType] {
    let x = try context.type(0)
    let axes = try context.integers(1)
    guard axes != nil || !context.has(1), axes != nil || x.extents != nil else {
      throw Diagnostic(.invalidOperand, "the rank of the result is not known before the graph runs")
    }
    let dropped = try dropped(axes, x.shape.map { $0.extent ?? 1 })
    return [ValueType(x.element, x.shape.indices.filter { !dropped.contains($0) }.map { x.shape[$0] })]
  }

  private func dropped(_ axes: [Int]?, _ shape: [Int]) throws(Diagnostic) -> [Int] {
    guard let axes else { return shape.indices.filter { shape[$0] == 1 } }
    let dropped = try normalized(axes, rank: shape.count)
    guard dropped.allSatisfy({ shape[$0] == 1 }) else {
      throw Diagnostic(.invalidOperand, "axes \(axes) of \(shape) are not all of extent 1")
    }
    return dropped
  }

  func shape(of x: [Int], _ operands: [Tensor?]) throws(Diagnostic) -> [Int] {
    let axes = try operands.optional(1).map { (axes) throws(Diagnostic) in try axes.int64Elements() }
    let dropped = try dropped(axes, x)
    return x.indices.filter { !dropped.contains($0) }.map { x[$0] }
  }
}
