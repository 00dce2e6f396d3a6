import GraphIR
import Operators
import Support
import Tensors

/// What quantizing one layer costs.
public struct LayerCost: Equatable, Sendable {
  /// The node's name, or `n` and its number.
  public let node: String
  public let op: String
  /// The noise per signal at the outputs, summed over them, where this layer alone is quantized: its operands, its
  /// weights and its result.
  public let noise: Double

  public init(node: String, op: String, noise: Double) {
    self.node = node
    self.op = op
    self.noise = noise
  }
}

/// Ranks the layers of a float graph by what quantizing each alone costs at the outputs.
struct LayerCosts {
  /// The nodes that a layer is kept by: its own and that of the activation that takes its rounding.
  private(set) var nodes: [String: [String]] = [:]
  /// The costliest first; of equal ones the first in program order.
  private(set) var ranked: [LayerCost] = []

  /// - Parameters:
  ///   - scheme: of the graph; what it keeps is not ranked.
  ///   - constants: of the graph.
  ///   - outputs: those that count; nil is all.
  ///   - progress: called after each layer with how many are done, and of how many.
  init(
    _ graph: Graph, _ scheme: Scheme, _ network: NetworkError, _ operators: OperatorSet,
    sharing constants: StoredConstants, outputs: Set<String>? = nil,
    progress: (Int, Int) -> Void = { _, _ in }
  ) throws(Diagnostic) {
    let keys = NodeKeys(graph)
    let groups = ScaleGroups(graph, keeping: try graph.nodes(named: scheme.kept))
    let all = graph.order.map { keys[$0] }
    var costs: [LayerCost] = []
    for (index, layer) in groups.layers.enumerated() {
      let own = layer.nodes.map { keys[$0] }
      var single = scheme
      single.kept = all.filter { !own.contains($0) }
      let ratios = try network.ratios(try graph.quantized(by: single, operators, sharing: constants))
      let noise = ratios.reduce(0) {
        outputs?.contains($1.output) ?? true ? $0 + $1.ratio.relativeNoise : $0
      }
      costs.append(LayerCost(node: own[0], op: graph.nodes[layer.node].op, noise: noise))
      nodes[own[0]] = own
      progress(index + 1, groups.layers.count)
    }
    ranked = costs.enumerated().sorted { ($1.element.noise, $0.offset) < ($0.element.noise, $1.offset) }
      .map(\.element)
  }
}
