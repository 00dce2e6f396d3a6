import GraphIR
import Operators
import Support
import Tensors

/// A value between contractions whose channels may be scaled: what made it is scaled by the reciprocals, what reads it
/// by the scales, and the graph computes the same. Between stand only operators that pass a positive scale of each
/// channel on.
package struct EqualizationSite {
  /// The contraction whose output channels are scaled.
  let producer: NodeID
  /// What the contractions read.
  package let value: ValueID
  let consumers: [NodeID]
  let channels: Int

  /// All of a graph, in program order.
  package static func all(_ graph: Graph) -> [EqualizationSite] {
    let users = graph.users()
    return graph.order.compactMap { Self($0, graph, users) }
  }

  /// Operators that give s · f(x) for s · x, channel by channel.
  private static let homogeneous: Set<String> = [
    "Relu", "LeakyRelu", "MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool", "Identity",
  ]

  private init?(_ node: NodeID, _ graph: Graph, _ users: SideTable<ValueID, [NodeID]>) {
    guard let channels = graph.outputChannels(node) else { return nil }
    var value = graph.results(of: node)[0]
    while true {
      guard !graph.outputs.contains(value) else { return nil }
      let readers = users[value]
      guard readers.count == 1, Self.homogeneous.contains(graph.nodes[readers[0]].op),
        graph.nodes[readers[0]].domain.isEmpty, graph.results(of: readers[0]).count == 1
      else { break }
      value = graph.results(of: readers[0])[0]
    }
    let consumers = users[value]
    let areFit = consumers.allSatisfy { graph.inputChannels($0, of: value) == channels }
    guard !consumers.isEmpty, areFit else { return nil }
    producer = node
    self.value = value
    self.consumers = consumers
    self.channels = channels
  }
}

extension Graph {
  /// The output channels of a contraction whose weights and bias can be scaled, or nil.
  fileprivate func outputChannels(_ node: NodeID) -> Int? {
    guard takesBias(node), nodes[node].domain.isEmpty, let weight = constant(operands(of: node)[1]),
      weight.element == .f32, values[results(of: node)[0]].type.rank > 1
    else { return nil }
    if operands(of: node).count > 2, let bias = constant(operands(of: node)[2]), bias.element != .f32 {
      return nil
    }
    switch nodes[node].op {
    case "Conv": return weight.shape[0]
    case "Gemm": return weight.shape[nodes[node].attribute("transB") == .int(1) ? 0 : 1]
    default: return nil
    }
  }

  /// The channels of `value`, which a contraction multiplies by weights that can be scaled, or nil.
  fileprivate func inputChannels(_ node: NodeID, of value: ValueID) -> Int? {
    let operands = operands(of: node)
    guard takesBias(node), nodes[node].domain.isEmpty, operands[0] == value,
      !operands.dropFirst().contains(value), let weight = constant(operands[1]), weight.element == .f32
    else { return nil }
    switch nodes[node].op {
    case "Conv":
      guard case .int(let group) = nodes[node].attribute("group") ?? .int(1) else { return nil }
      return weight.shape[1] * Int(group)
    case "Gemm":
      guard nodes[node].attribute("transA") ?? .int(0) == .int(0) else { return nil }
      return weight.shape[nodes[node].attribute("transB") == .int(1) ? 1 : 0]
    default: return nil
    }
  }

  /// The weights of a contraction, each element multiplied by the factor of its output or input channel.
  func weights(of node: NodeID, scaling factors: [Float], outputs: Bool) throws(Diagnostic) -> Tensor? {
    guard let weight = constant(operands(of: node)[1]) else { return nil }
    let runs = WeightRuns(self, node, weight.shape, outputs: outputs)
    return try Tensor(weight.type) { memory in
      guard let target = memory.baseAddress?.assumingMemoryBound(to: Float.self) else { return }
      weight.withFloats { values in
        runs.forEach { start, count, channel, step in
          for index in 0..<count {
            target[start + index] = values[start + index] * factors[channel + index * step]
          }
        }
      }
    }
  }

  /// The largest magnitude of the weights of each output or input channel.
  func weightRanges(of node: NodeID, channels: Int, outputs: Bool) -> [Float] {
    var largest = [Float](repeating: 0, count: channels)
    guard let weight = constant(operands(of: node)[1]) else { return largest }
    let runs = WeightRuns(self, node, weight.shape, outputs: outputs)
    weight.withFloats { values in
      largest.withUnsafeMutableBufferPointer { largest in
        runs.forEach { start, count, channel, step in
          for index in 0..<count {
            let value = abs(values[start + index])
            if value.isFinite {
              largest[channel + index * step] = max(largest[channel + index * step], value)
            }
          }
        }
      }
    }
    return largest
  }

  /// Whether each output channel of a convolution reads one input channel.
  func isDepthwise(_ node: NodeID) -> Bool {
    guard nodes[node].op == "Conv", let weight = constant(operands(of: node)[1]) else { return false }
    return weight.shape[1] == 1 && nodes[node].attribute("group") == .int(Int64(weight.shape[0]))
  }
}

/// The weights of a convolution or Gemm as runs whose channel stays, or moves on by one with each element.
private struct WeightRuns {
  private let count: Int
  private let length: Int
  private let step: Int
  private let channel: (Int) -> Int

  init(_ graph: Graph, _ node: NodeID, _ shape: [Int], outputs: Bool) {
    if graph.nodes[node].op == "Gemm" {
      let isTransposed = graph.nodes[node].attribute("transB") == .int(1)
      (count, length) = (shape[0], shape[1])
      step = isTransposed == outputs ? 0 : 1
      channel = isTransposed == outputs ? { $0 } : { _ in 0 }
      return
    }
    // [output, input within the group, taps…].
    let inputs = shape[1]
    length = shape[2...].reduce(1, *)
    count = shape[0] * inputs
    step = 0
    guard !outputs else {
      channel = { $0 / inputs }
      return
    }
    var groups = 1
    if case .int(let value)? = graph.nodes[node].attribute("group") { groups = Int(value) }
    let perGroup = max(shape[0] / max(groups, 1), 1)
    channel = { $0 / inputs / perGroup * inputs + $0 % inputs }
  }

  /// - Parameter body: gets the position, the number of elements, the channel of the first and the step to the next.
  func forEach(_ body: (Int, Int, Int, Int) -> Void) {
    for run in 0..<count { body(run * length, length, channel(run), step) }
  }
}
