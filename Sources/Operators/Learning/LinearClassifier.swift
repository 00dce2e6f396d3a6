import GraphIR
import KernelIR
import Support
import Tensors

/// The label of each row of x [N, C] as i64 [N], and its scores as f32: x · coefficients[E, C]ᵀ + intercepts, each a
/// chain of FMAs from 0 and a sum. The label is that of the largest score, the first of equal ones. Two labels with
/// one score s have the scores 1 - s and s, and the second wins where s > 0.
public struct LinearClassifier: Operator {
  public var coefficients: [Float] = []
  public var intercepts: [Float] = []
  public var labels: [Int] = []
  /// Labels of text, which have no tensor type.
  public var textLabels: [String]?
  /// Changes nothing.
  public var isMulticlass = false
  public var postTransform = PostTransform.none

  public static let schema = Schema(
    "LinearClassifier", domain: "ai.onnx.ml", since: [1], operands: 1...1, results: 1...2)
  public static let fields: [AttributeField<LinearClassifier>] = [
    AttributeField("coefficients", \.coefficients), AttributeField("intercepts", \.intercepts),
    AttributeField("classlabels_ints", \.labels), AttributeField("classlabels_strings", \.textLabels),
    AttributeField("multi_class", \.isMulticlass), AttributeField("post_transform", \.postTransform),
  ]

  public init() {}

  /// How many scores are computed.
  private var scores: Int { max(intercepts.count, 1) }

  public func infer(_ context: InferenceContext) throws(Diagnostic) -> [ValueType] {
    let x = try context.type(0, of: FeatureRows.elements)
    guard textLabels == nil, labels.count >= 2, labels.count == scores || (labels.count == 2 && scores == 1)
    else {
      throw Diagnostic(
        .invalidAttribute, "labels are \(textLabels.map { "\($0)" } ?? "\(labels)") for \(scores) scores",
        help: "export the model with integer labels")
    }
    let rows = try linearRows(x, coefficients.count, scores)
    return [ValueType(.i64, [rows]), ValueType(.f32, [rows, .fixed(labels.count)])]
  }

  public func evaluate(_ operands: [Tensor?]) throws(Diagnostic) -> [Tensor] {
    let rows = FeatureRows(try operands.tensor(0))
    var (chosen, all): ([Int], [Float]) = ([], [])
    for row in 0..<rows.count {
      let values = linearScores(rows[row], coefficients, intercepts, scores)
      if scores == 1 {
        chosen.append(labels[values[0] > 0 ? 1 : 0])
        all += postTransform.pair(values[0], isComplement: true)
        continue
      }
      var best = 0
      for index in values.indices where values[index] > values[best] { best = index }
      chosen.append(labels[best])
      all += postTransform.apply(values)
    }
    return [try .integers(.i64, [rows.count], chosen), try .floats(.f32, [rows.count, labels.count], all)]
  }
}

/// The number of rows of x. - Throws: where the coefficients are not a row of x's width for each score.
func linearRows(_ x: ValueType, _ coefficients: Int, _ scores: Int) throws(Diagnostic) -> Dimension {
  guard (1...2).contains(x.rank) else { throw Diagnostic(.invalidOperand, "x is \(x), no rows") }
  let width = x.shape[x.rank - 1].extent
  guard coefficients % scores == 0, width == nil || width == coefficients / scores else {
    throw Diagnostic(.invalidAttribute, "\(coefficients) coefficients of \(scores) scores for \(x)")
  }
  return x.rank == 2 ? x.shape[0] : 1
}

/// The scores of one row.
func linearScores(
  _ row: ArraySlice<Double>, _ coefficients: [Float], _ intercepts: [Float], _ scores: Int
) -> [Float] {
  (0..<scores).map { score in
    var sum: Float = 0
    for (index, x) in row.enumerated() {
      sum = Arithmetic.fma(Float(x), coefficients[score * row.count + index], sum)
    }
    return intercepts.isEmpty ? sum : Arithmetic.add(sum, intercepts[score])
  }
}
