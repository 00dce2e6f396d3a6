import GraphIR
import Support
import Tensors

/// The trees of an ensemble as ONNX states them: lists with an entry per node of any tree.
public struct TreeNodes: Sendable {
  public var trees: [Int] = []
  public var ids: [Int] = []
  public var features: [Int] = []
  public var modes: [String] = []
  public var values: [Float] = []
  /// Instead of `values`.
  public var valuesTensor: Tensor?
  public var whenTrue: [Int] = []
  public var whenFalse: [Int] = []
  public var missingIsTrue: [Int]?
  /// Of interest to the training alone.
  public var hitRates: [Float]?
  public var hitRatesTensor: Tensor?

  public init() {}
}

/// An operator that adds up what the leaves of trees say.
protocol TreeEnsemble: Operator {
  var nodes: TreeNodes { get set }
}

extension TreeEnsemble {
  static var nodeFields: [AttributeField<Self>] {
    [
      AttributeField("nodes_treeids", \Self.nodes.trees), AttributeField("nodes_nodeids", \Self.nodes.ids),
      AttributeField("nodes_featureids", \Self.nodes.features),
      AttributeField("nodes_modes", \Self.nodes.modes),
      AttributeField("nodes_values", \Self.nodes.values),
      AttributeField("nodes_values_as_tensor", \Self.nodes.valuesTensor),
      AttributeField("nodes_truenodeids", \Self.nodes.whenTrue),
      AttributeField("nodes_falsenodeids", \Self.nodes.whenFalse),
      AttributeField("nodes_missing_value_tracks_true", \Self.nodes.missingIsTrue),
      AttributeField("nodes_hitrates", \Self.nodes.hitRates),
      AttributeField("nodes_hitrates_as_tensor", \Self.nodes.hitRatesTensor),
    ]
  }
}

/// What the leaves of an ensemble say, as ONNX states it: lists with an entry per leaf and score.
struct LeafWeights {
  let trees: [Int]
  let ids: [Int]
  let scores: [Int]
  let weights: [Double]
}

/// Numbers that an attribute gives as floats or as a tensor.
func numbers(_ floats: [Float]?, _ tensor: Tensor?) -> [Double] {
  tensor?.doubleElements() ?? floats?.map { Double($0) } ?? []
}
