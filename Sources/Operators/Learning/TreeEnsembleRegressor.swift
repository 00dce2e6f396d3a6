import GraphIR
import KernelIR
import Support
import Tensors

/// The targets of each row of x [N, C] as f32 [N, targets]: a base value plus the sum, average, least or largest
/// of the weights that the trees' leaves give the target, in f64 and in the order of the trees, rounded once. The
/// average is over all trees; a target without weights has its base value.
public struct TreeEnsembleRegressor: TreeEnsemble {
  public enum Aggregate: String, AttributeChoice {
    case sum = "SUM"
    case average = "AVERAGE"
    case min = "MIN"
    case max = "MAX"
  }

  public var nodes = TreeNodes()
  public var leafTrees: [Int] = []
  public var leafIDs: [Int] = []
  public var leafTargets: [Int] = []
  public var leafWeights: [Float] = []
  public var leafWeightsTensor: Tensor?
  public var baseValues: [Float]?
  public var baseValuesTensor: Tensor?
  public var targets = 1
  public var aggregate = Aggregate.sum
  public var postTransform = PostTransform.none

  public static let schema = Schema(
    "TreeEnsembleRegressor", domain: "ai.onnx.ml", since: [1, 3], operands: 1...1)
  public static let fields: [AttributeField<TreeEnsembleRegressor>] =
    nodeFields + [
      AttributeField("target_treeids", \.leafTrees), AttributeField("target_nodeids", \.leafIDs),
      AttributeField("target_ids", \.leafTargets), AttributeField("target_weights", \.leafWeights),
      AttributeField("target_weights_as_tensor", \.leafWeightsTensor),
      AttributeField("base_values", \.baseValues),
      AttributeField("base_values_as_tensor", \.baseValuesTensor), AttributeField("n_targets", \.targets),
      AttributeField("aggregate_function", \.aggregate), AttributeField("post_transform", \.postTransform),
    ]

  public init() {}

  public func infer(_ context: InferenceContext) throws(Diagnostic) -> [ValueType] {
    let x = try context.type(0, of: FeatureRows.elements)
    guard (1...2).contains(x.rank) else { throw Diagnostic(.invalidOperand, "x is \(x), no rows") }
    _ = try forest(features: x.shape[x.rank - 1].extent)
    return [ValueType(.f32, [x.rank == 2 ? x.shape[0] : 1, .fixed(targets)])]
  }

  private func forest(features: Int?) throws(Diagnostic) -> Forest {
    let base = numbers(baseValues, baseValuesTensor).count
    guard (1...1 << 20).contains(targets), base == 0 || base == targets else {
      throw Diagnostic(.invalidAttribute, "\(base) base values for \(targets) targets")
    }
    let leaves = LeafWeights(
      trees: leafTrees, ids: leafIDs, scores: leafTargets, weights: numbers(leafWeights, leafWeightsTensor))
    return try Forest(nodes, leaves, features: features, scores: targets)
  }

  public func evaluate(_ operands: [Tensor?]) throws(Diagnostic) -> [Tensor] {
    let rows = FeatureRows(try operands.tensor(0))
    let forest = try forest(features: rows.width)
    var base = numbers(baseValues, baseValuesTensor)
    if base.isEmpty { base = Array(repeating: 0, count: targets) }
    var scores: [Float] = []
    for row in 0..<rows.count {
      var found = [Double?](repeating: nil, count: targets)
      try forest.walk(rows[row]) { target, weight in
        guard let known = found[target] else {
          found[target] = weight
          return
        }
        switch aggregate {
        case .sum, .average: found[target] = known + weight
        case .min: found[target] = weight < known ? weight : known
        case .max: found[target] = weight > known ? weight : known
        }
      }
      let divisor = aggregate == .average ? Double(max(forest.treeCount, 1)) : 1
      let values = zip(found, base).map { Float(($0 ?? 0) / divisor + $1).canonical }
      scores += postTransform.apply(values)
    }
    return [try .floats(.f32, [rows.count, targets], scores)]
  }
}
