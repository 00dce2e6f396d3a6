import GraphIR
import KernelIR
import Support
import Tensors

/// With dimensions of extent 1 at the places, counted in the result, that operand 1 names.
public struct Unsqueeze: ReshapingOperator {
  public static let schema = Schema("Unsqueeze", since: [1, 11, 13, 21, 23], operands: 2...2)
  public static let fields: [AttributeField<Unsqueeze>] = []

  public init() {}

  public func infer(_ context: InferenceContext) throws(Diagnostic) -> [ValueType] {
    let x = try context.type(0)
    guard let axes = try context.integers(1) else {
      guard let count = try context.length(1), count <= 64 else {
        throw Diagnostic(.invalidOperand, "the rank of the result is not known before the graph runs")
      }
      return [ValueType(x.element, Array(repeating: .unknown, count: x.rank + count))]
    }
    return [ValueType(x.element, try insert(1, into: x.shape, axes))]
  }

  private func insert<Extent>(
    _ one: Extent, into shape: [Extent], _ axes: [Int]
  ) throws(Diagnostic) -> [Extent] {
    var result = shape
    for axis in try normalized(axes, rank: shape.count + axes.count) { result.insert(one, at: axis) }
    return result
  }

  func shape(of x: [Int], _ operands: [Tensor?]) throws(Diagnostic) -> [Int] {
    try insert(1, into: x, try operands.tensor(1).int64Elements())
  }
}
