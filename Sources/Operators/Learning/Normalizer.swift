import GraphIR
import KernelIR
import Support
import Tensors

/// Each row divided by its norm: the largest element, Σ|x| or √Σx². Rows whose norm is 0 stay. The result is f32.
public struct Normalizer: Operator {
  public enum Norm: String, AttributeChoice {
    case max = "MAX"
    case l1 = "L1"
    case l2 = "L2"
  }

  public var norm = Norm.max

  public static let schema = Schema("Normalizer", domain: "ai.onnx.ml", since: [1], operands: 1...1)
  public static let fields: [AttributeField<Normalizer>] = [AttributeField("norm", \.norm)]

  public init() {}

  public func infer(_ context: InferenceContext) throws(Diagnostic) -> [ValueType] {
    let x = try context.type(0, of: FeatureRows.elements)
    guard (1...2).contains(x.rank) else { throw Diagnostic(.invalidOperand, "x is \(x), no rows") }
    return [ValueType(.f32, x.shape)]
  }

  public func evaluate(_ operands: [Tensor?]) throws(Diagnostic) -> [Tensor] {
    let x = try operands.tensor(0)
    let rows = FeatureRows(x)
    var values: [Float] = []
    for index in 0..<rows.count {
      let row = rows[index].map { Float($0) }
      let divisor =
        switch norm {
        case .max: Arithmetic.maximum(of: row)
        case .l1: Arithmetic.sum(row.map(Arithmetic.absolute))
        case .l2: Arithmetic.sqrt(Arithmetic.sum(row.map { Arithmetic.multiply($0, $0) }))
        }
      values += divisor == 0 ? row : row.map { Arithmetic.divide($0, divisor) }
    }
    return [try .floats(.f32, x.shape, values)]
  }
}
