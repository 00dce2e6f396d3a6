import GraphIR
import KernelIR
import Support
import Tensors

/// The elements of operand 0's last dimension at the indices in operand 1; a vector gives one row. Indices are
/// not negative.
public struct ArrayFeatureExtractor: Operator {
  public static let schema = Schema(
    "ArrayFeatureExtractor", domain: "ai.onnx.ml", since: [1], operands: 2...2)
  public static let fields: [AttributeField<ArrayFeatureExtractor>] = []

  public init() {}

  public func infer(_ context: InferenceContext) throws(Diagnostic) -> [ValueType] {
    let x = try context.type(0, of: FeatureRows.elements)
    let indices = try context.type(1, of: [.i64])
    guard x.rank > 0, indices.rank > 0 else {
      throw Diagnostic(.invalidOperand, "x is \(x), the indices are \(indices)")
    }
    let count = try indices.extents.map { (extents) throws(Diagnostic) in try product(extents) }
    let rows: [Dimension] = x.rank == 1 ? [1] : Array(x.shape.dropLast())
    return [ValueType(x.element, rows + [count.map(Dimension.fixed) ?? .unknown])]
  }

  public func evaluate(_ operands: [Tensor?]) throws(Diagnostic) -> [Tensor] {
    let (x, list) = (try operands.tensor(0), try operands.tensor(1))
    let (chosen, width) = (try list.int64Elements(), x.shape[x.shape.count - 1])
    if let wrong = chosen.first(where: { !(0..<width).contains($0) }) {
      throw Diagnostic(.indexOutOfRange, "index \(wrong) is not within 0…\(width - 1)")
    }
    let rows = x.shape.count == 1 ? [1] : Array(x.shape.dropLast())
    let count = rows.reduce(1, *)
    let picked = (0..<count).flatMap { row in chosen.map { row * width + $0 } }
    return [try x.picking(rows + [chosen.count], picked)]
  }
}
