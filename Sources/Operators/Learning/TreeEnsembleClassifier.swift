import GraphIR
import KernelIR
import Support
import Tensors

/// The label of each row of x [N, C] as i64 [N], and the scores of all labels as f32 [N, labels]. A score is its
/// base value plus the weights that the leaves give it, in f64 and in the order of the trees, rounded once; the
/// label is that of the largest score, the first of equal ones.
///
/// Two labels of which one alone gets weights are one score s: the second label wins where s > ½ if no weight is
/// negative, else where s > 0. Weights of the first label then give the scores 1 - s and s, or -s and s.
public struct TreeEnsembleClassifier: TreeEnsemble {
  public var nodes = TreeNodes()
  public var leafTrees: [Int] = []
  public var leafIDs: [Int] = []
  public var leafClasses: [Int] = []
  public var leafWeights: [Float] = []
  public var leafWeightsTensor: Tensor?
  public var baseValues: [Float]?
  public var baseValuesTensor: Tensor?
  public var labels: [Int] = []
  /// Labels of text, which have no tensor type.
  public var textLabels: [String]?
  public var postTransform = PostTransform.none

  public static let schema = Schema(
    "TreeEnsembleClassifier", domain: "ai.onnx.ml", since: [1, 3], operands: 1...1, results: 1...2)
  public static let fields: [AttributeField<TreeEnsembleClassifier>] =
    nodeFields + [
      AttributeField("class_treeids", \.leafTrees), AttributeField("class_nodeids", \.leafIDs),
      AttributeField("class_ids", \.leafClasses), AttributeField("class_weights", \.leafWeights),
      AttributeField("class_weights_as_tensor", \.leafWeightsTensor),
      AttributeField("base_values", \.baseValues),
      AttributeField("base_values_as_tensor", \.baseValuesTensor),
      AttributeField("classlabels_int64s", \.labels), AttributeField("classlabels_strings", \.textLabels),
      AttributeField("post_transform", \.postTransform),
    ]

  public init() {}

  public func infer(_ context: InferenceContext) throws(Diagnostic) -> [ValueType] {
    let x = try context.type(0, of: FeatureRows.elements)
    guard (1...2).contains(x.rank) else { throw Diagnostic(.invalidOperand, "x is \(x), no rows") }
    _ = try forest(features: x.shape[x.rank - 1].extent)
    let rows: Dimension = x.rank == 2 ? x.shape[0] : 1
    return [ValueType(.i64, [rows]), ValueType(.f32, [rows, .fixed(labels.count)])]
  }

  private func forest(features: Int?) throws(Diagnostic) -> Forest {
    guard textLabels == nil, labels.count >= 2 else {
      throw Diagnostic(
        .invalidAttribute, "labels are \(textLabels.map { "\($0)" } ?? "\(labels)"), needed are two integers",
        help: "export the model with integer labels")
    }
    let base = numbers(baseValues, baseValuesTensor).count
    guard base == 0 || base == labels.count || (base == 1 && labels.count == 2) else {
      throw Diagnostic(.invalidAttribute, "\(base) base values for \(labels.count) labels")
    }
    let leaves = LeafWeights(
      trees: leafTrees, ids: leafIDs, scores: leafClasses, weights: numbers(leafWeights, leafWeightsTensor))
    return try Forest(nodes, leaves, features: features, scores: labels.count)
  }

  public func evaluate(_ operands: [Tensor?]) throws(Diagnostic) -> [Tensor] {
    let rows = FeatureRows(try operands.tensor(0))
    let forest = try forest(features: rows.width)
    var base = numbers(baseValues, baseValuesTensor)
    let isSingle = labels.count == 2 && Set(leafClasses).count == 1
    let isFirst = isSingle && leafClasses[0] == 0 && base.count < 2
    let isPositive = numbers(leafWeights, leafWeightsTensor).allSatisfy { $0 >= 0 }
    while base.count < labels.count { base.append(0) }
    var (chosen, scores): ([Int], [Float]) = ([], [])
    for row in 0..<rows.count {
      var sums = base
      try forest.walk(rows[row]) { sums[$0] += $1 }
      let values = sums.map { Float($0).canonical }
      if isSingle {
        chosen.append(labels[values[leafClasses[0]] > (isPositive ? 0.5 : 0) ? 1 : 0])
      } else {
        var best = 0
        for index in values.indices where values[index] > values[best] { best = index }
        chosen.append(labels[best])
      }
      scores +=
        isFirst
        ? postTransform.pair(values[0], isComplement: isPositive) : postTransform.apply(values)
    }
    return [
      try .integers(.i64, [rows.count], chosen), try .floats(.f32, [rows.count, labels.count], scores),
    ]
  }
}
