import GraphIR
import KernelIR
import Support
import Tensors

/// The rows of all operands side by side, as f32 [N, Σ widths]. An operand gives as many features as its entry in
/// `inputdimensions` says: its first ones, with zeros behind where it has fewer.
public struct FeatureVectorizer: Operator {
  public var widths: [Int] = []

  public static let schema = Schema(
    "FeatureVectorizer", domain: "ai.onnx.ml", since: [1], operands: 1...(.max))
  public static let fields: [AttributeField<FeatureVectorizer>] = [
    AttributeField("inputdimensions", \.widths)
  ]

  public init() {}

  public func infer(_ context: InferenceContext) throws(Diagnostic) -> [ValueType] {
    guard widths.count == context.operands.count, widths.allSatisfy({ $0 >= 0 }) else {
      throw Diagnostic(.invalidAttribute, "\(widths.count) widths for \(context.operands.count) operands")
    }
    var width = try ByteCount(0)
    for each in widths { width = try width + ByteCount(each) }
    var rows = Dimension.unknown
    for index in context.operands.indices {
      let type = try context.type(index, of: FeatureRows.elements)
      guard type.rank > 0 else { throw Diagnostic(.invalidOperand, "operand \(index) is \(type), no rows") }
      let own: Dimension = type.rank == 1 ? 1 : type.shape[0]
      guard rows.extent == nil || own.extent == nil || rows == own else {
        throw Diagnostic(.invalidOperand, "operand \(index) is \(type), others have \(rows.text) rows")
      }
      if rows.extent == nil, rows == .unknown || own.extent != nil { rows = own }
    }
    return [ValueType(.f32, [rows, .fixed(width.bytes)])]
  }

  public func evaluate(_ operands: [Tensor?]) throws(Diagnostic) -> [Tensor] {
    var parts: [FeatureRows] = []
    for index in operands.indices { parts.append(FeatureRows(try operands.tensor(index))) }
    let rows = parts[0].count
    var values: [Float] = []
    for row in 0..<rows {
      for (part, width) in zip(parts, widths) {
        let taken = part[row].prefix(width).map { Float($0) }
        values += taken + Array(repeating: 0, count: width - taken.count)
      }
    }
    return [try .floats(.f32, [rows, widths.reduce(0, +)], values)]
  }
}
