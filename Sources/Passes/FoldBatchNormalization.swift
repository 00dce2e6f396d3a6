import GraphIR
import Operators
import Support
import Tensors

extension Pass {
  public static let foldBatchNormalization = Pass(
    "fold-batch-norm",
    "moves a BatchNormalization, or Add, Sub, Mul, Div by constants per channel, into the Conv before it",
    run: fold)
}

/// Computes in f64 and rounds weights and bias once. A chain of such nodes folds one after the other.
private func fold(_ rewriter: inout Rewriter, _ operators: OperatorSet) throws(Diagnostic) {
  let uses = rewriter.graph.useCounts()
  var definers = rewriter.graph.definers()
  for id in rewriter.graph.order where ChannelAffine.operators.contains(rewriter.graph.nodes[id].op) {
    let graph = rewriter.graph
    guard let source = ChannelAffine.source(of: id, graph), uses[source] == 1,
      let convolution = Convolution(definers[source], graph),
      let affine = try ChannelAffine(id, of: source, channels: convolution.channels, graph, operators),
      let folded = try convolution.folding(affine)
    else { continue }
    guard rewriter.startChange() else { return }
    let operands = graph.operands(of: convolution.node)
    let name = graph.values[operands[1]].name
    let weights = folded.weights.map { rewriter.constant($0, name: name) } ?? operands[1]
    let bias = rewriter.constant(folded.bias)
    let node = graph.nodes[convolution.node].merging([graph.nodes[id]])
    rewriter.redefine(id, as: node, [operands[0], weights, bias])
    rewriter.erase(convolution.node)
    definers[graph.results(of: id)[0]] = id
  }
}

/// A Conv or ConvTranspose with constant weights and bias.
private struct Convolution {
  let node: NodeID
  /// Of the result.
  let channels: Int
  private let weights: Tensor
  private let bias: Tensor?
  /// How many elements of the weights in a row belong to one channel.
  private let run: Int
  /// Of consecutive runs.
  private let channel: @Sendable (Int) -> Int

  init?(_ id: NodeID, _ graph: Graph) {
    guard !id.isNone, ["Conv", "ConvTranspose"].contains(graph.nodes[id].op), graph.nodes[id].domain.isEmpty,
      graph.nodes[id].attribute("activation") == nil,
      graph.values[graph.results(of: id)[0]].quantization == nil
    else { return nil }
    let operands = graph.operands(of: id)
    let hasBias = operands.count > 2 && !operands[2].isNone
    guard let weights = graph.constant(operands[1]), weights.element.isFloat, weights.shape.count > 2,
      graph.values[operands[1]].quantization == nil
    else { return nil }
    let bias = hasBias ? graph.constant(operands[2]) : nil
    guard !hasBias || bias != nil else { return nil }
    node = id
    self.weights = weights
    self.bias = bias
    let (first, second) = (weights.shape[0], weights.shape[1])
    if graph.nodes[id].op == "Conv" {
      channels = first
      run = first == 0 ? 0 : weights.count / first
      channel = { $0 }
    } else {
      // [C, M / group, taps…]: the rows of a group of inputs give the outputs of that group.
      var group = 1
      if case .int(let value)? = graph.nodes[id].attribute("group") { group = Int(value) }
      guard group > 0, first % group == 0, first * second > 0 else { return nil }
      let perGroup = first / group
      channels = second * group
      run = weights.count / (first * second)
      channel = { $0 / second / perGroup * second + $0 % second }
    }
  }

  /// w · f and b · f + o, the weights nil where they stay as they are; nil altogether where one is not finite.
  func folding(_ affine: ChannelAffine) throws(Diagnostic) -> (weights: Tensor?, bias: Tensor)? {
    let old = bias?.doubleElements() ?? Array(repeating: 0, count: channels)
    guard old.count == channels else { return nil }
    let sums = (0..<channels).map { old[$0] * affine.factors[$0] + affine.offsets[$0] }
    guard sums.allSatisfy({ Float($0).isFinite }) else { return nil }
    let element = weights.element
    let bias = try Tensor(TensorType(.f64, [channels]), sums).converted(to: element)
    if affine.factors.allSatisfy({ $0 == 1 }) { return (nil, bias) }
    let scaled = element == .f32 ? try scaledFloats(affine.factors) : try scaledElements(affine.factors)
    return scaled.map { ($0, bias) }
  }

  private func scaledFloats(_ factors: [Double]) throws(Diagnostic) -> Tensor? {
    var isFinite = true
    let result = try Tensor(weights.type) { memory in
      let target = memory.bindMemory(to: Float.self)
      weights.withBytes { bytes in
        for row in 0..<(run == 0 ? 0 : target.count / run) {
          let factor = factors[channel(row)]
          // Of finite numbers this stays 0.
          var residue: Float = 0
          for index in (row * run)..<((row + 1) * run) {
            let old = bytes.loadUnaligned(fromByteOffset: index * 4, as: Float.self)
            let value = Float(Double(old) * factor)
            target[index] = value
            residue += value * 0
          }
          isFinite = isFinite && residue == 0
        }
      }
    }
    return isFinite ? result : nil
  }

  private func scaledElements(_ factors: [Double]) throws(Diagnostic) -> Tensor? {
    let values = weights.doubleElements().enumerated().map { $1 * factors[channel($0 / run)] }
    guard values.allSatisfy({ Float($0).isFinite }) else { return nil }
    return try Tensor(TensorType(.f64, weights.shape), values).converted(to: weights.element)
  }
}
