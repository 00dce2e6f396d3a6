import CKernels
import GraphIR
import Operators
import Support
import Tensors

/// By how much quantization shifts the mean of each output channel of a contraction: measured per layer, from
/// operands of the float run, so that corrections of different layers do not depend on each other.
struct BiasErrors {
  private struct Sums {
    var count = 0
    var differences: [Double] = []
    var squares: [Double] = []
  }

  private let graph: Graph
  private let keys: NodeKeys
  private let scheme: Scheme
  private let valueKeys: ValueKeys
  private let layers: [QuantizedLayer]
  /// Of the graph with what weights stand for once they are stored.
  private let runner: LayerRunner
  private var sums: [NodeID: Sums] = [:]

  init(
    _ graph: Graph, _ groups: ScaleGroups, _ scheme: Scheme, _ operators: OperatorSet, threads: Int
  ) throws(Diagnostic) {
    self.graph = graph
    self.scheme = scheme
    keys = NodeKeys(graph)
    valueKeys = ValueKeys(graph)
    layers = groups.layers.filter { graph.takesBias($0.node) && $0.quantized.role == .contraction }
    var rounded = Rewriter(graph)
    for layer in layers {
      let id = graph.operands(of: layer.node)[1]
      guard let constant = graph.constant(id), let entry = scheme[valueKeys[id]] else { continue }
      let weight = rounded.constant(try constant.roundTrip(entry.quantization, entry.element))
      rounded.setOperand(1, of: layer.node, to: weight)
    }
    runner = LayerRunner(rounded.graph, operators, threads: threads)
  }

  /// The values that `measure` needs.
  var needed: [ValueID] {
    let operands = layers.map { graph.operands(of: $0.node)[0] }
    let results = layers.flatMap { graph.results(of: $0.node) }
    return Set(operands + results).filter { graph.constant($0) == nil }.sorted()
  }

  /// Adds what one sample shows. - Parameter values: of its float run.
  mutating func measure(_ values: SideTable<ValueID, Tensor?>) throws(Diagnostic) {
    for layer in layers {
      let input = graph.operands(of: layer.node)[0]
      let result = graph.results(of: layer.node)[0]
      guard let x = values[input], let reference = values[result], reference.count > 0,
        let entry = scheme[valueKeys[input]], scheme[valueKeys[graph.operands(of: layer.node)[1]]] != nil
      else { continue }
      let rounded = try x.roundTrip(entry.quantization, entry.element)
      let found = try runner.run([layer.node], giving: result) { $0 == input ? rounded : values[$0] }
      add(reference, found, to: layer.node)
    }
  }

  private mutating func add(_ reference: Tensor, _ found: Tensor, to node: NodeID) {
    let channels = reference.shape[Graph.channelAxis]
    var sums = sums[node] ?? Sums()
    if sums.differences.isEmpty {
      sums.differences = [Double](repeating: 0, count: channels)
      sums.squares = sums.differences
    }
    found.withFloats { y in
      guard let other = y.baseAddress else { return }
      reference.forEachRun(along: Graph.channelAxis) { x, start, count, channel in
        var (signal, noise) = (0.0, 0.0)
        furc_energies(x, other + start, Int64(count), &signal, &noise, Kernels.level)
        sums.squares[channel] += noise
        sums.differences[channel] += furc_difference(x, other + start, Int64(count), Kernels.level)
      }
    }
    sums.count += reference.count / max(channels, 1)
    self.sums[node] = sums
  }

  /// What to add to the biases, by node: the mean difference where it is more than twice its standard error, so
  /// that a few samples do not correct what is chance.
  var corrections: [Scheme.Correction] {
    layers.compactMap { layer in
      guard let sums = sums[layer.node], sums.count > 1 else { return nil }
      let count = Double(sums.count)
      let added = zip(sums.differences, sums.squares).map { difference, square -> Float in
        let mean = difference / count
        let variance = max(square / count - mean * mean, 0)
        return mean * mean * count > 4 * variance ? Float(mean) : 0
      }
      return added.allSatisfy { $0 == 0 } ? nil : Scheme.Correction(node: keys[layer.node], added: added)
    }
  }
}

/// By what schemes and reports know a node: its name, or `n` and its number where it has none or an earlier node has
/// the same.
struct NodeKeys {
  private var keys = SideTable<NodeID, String>(default: "")
  private var nodes: [String: NodeID] = [:]

  init(_ graph: Graph) {
    for id in graph.order {
      let name = graph.nodes[id].name
      let key = name.isEmpty || nodes[name] != nil ? id.description : name
      keys[id] = key
      nodes[key] = id
    }
  }

  subscript(id: NodeID) -> String { keys[id] }

  func node(_ key: String) -> NodeID? { nodes[key] }
}

extension Graph {
  /// Whether an operand 2 is, or could be, a constant with one element per output channel.
  func takesBias(_ node: NodeID) -> Bool {
    guard ["Conv", "ConvTranspose", "Gemm"].contains(nodes[node].op),
      nodes[node].attribute("activation") == nil
    else { return false }
    let operands = operands(of: node)
    guard nodes[node].attribute("beta") == nil, nodes[node].attribute("alpha") == nil else { return false }
    guard operands.count > 2, !operands[2].isNone else { return true }
    return constant(operands[2])?.shape.count == 1
  }

  /// The dimension of a contraction's result along which a bias lies.
  static var channelAxis: Int { 1 }
}
