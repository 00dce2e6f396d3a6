import GraphIR
import KernelIR
import Support
import Tensors

/// The targets of each row of x [N, C] as f32 [N, targets]: x · coefficients[targets, C]ᵀ + intercepts, each a chain
/// of FMAs from 0 and a sum.
public struct LinearRegressor: Operator {
  public var coefficients: [Float] = []
  public var intercepts: [Float] = []
  public var targets = 1
  public var postTransform = PostTransform.none

  public static let schema = Schema("LinearRegressor", domain: "ai.onnx.ml", since: [1], operands: 1...1)
  public static let fields: [AttributeField<LinearRegressor>] = [
    AttributeField("coefficients", \.coefficients), AttributeField("intercepts", \.intercepts),
    AttributeField("targets", \.targets), AttributeField("post_transform", \.postTransform),
  ]

  public init() {}

  public func infer(_ context: InferenceContext) throws(Diagnostic) -> [ValueType] {
    let x = try context.type(0, of: FeatureRows.elements)
    guard (1...1 << 20).contains(targets), intercepts.isEmpty || intercepts.count == targets else {
      throw Diagnostic(.invalidAttribute, "\(intercepts.count) intercepts for \(targets) targets")
    }
    return [ValueType(.f32, [try linearRows(x, coefficients.count, targets), .fixed(targets)])]
  }

  public func evaluate(_ operands: [Tensor?]) throws(Diagnostic) -> [Tensor] {
    let rows = FeatureRows(try operands.tensor(0))
    var all: [Float] = []
    for row in 0..<rows.count {
      all += postTransform.apply(linearScores(rows[row], coefficients, intercepts, targets))
    }
    return [try .floats(.f32, [rows.count, targets], all)]
  }
}
