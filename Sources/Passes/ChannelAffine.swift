import GraphIR
import Operators
import Support
import Tensors

/// x · factor + offset for each channel (dimension 1) of a tensor: what a node with constant parameters does.
struct ChannelAffine {
  let factors: [Double]
  let offsets: [Double]

  static let operators: Set<String> = ["BatchNormalization", "Add", "Sub", "Mul", "Div"]

  /// The operand that the node computes on: of two, the one that is no constant.
  static func source(of id: NodeID, _ graph: Graph) -> ValueID? {
    let node = graph.nodes[id]
    let operands = graph.operands(of: id)
    guard node.domain.isEmpty, node.attribute("activation") == nil,
      graph.values[graph.results(of: id)[0]].quantization == nil
    else { return nil }
    if node.op == "BatchNormalization" { return graph.results(of: id).count == 1 ? operands[0] : nil }
    guard operands.count == 2 else { return nil }
    return operands.first { !$0.isNone && graph.constant($0) == nil }
  }

  /// Nil where the parameters are not constant or not per channel.
  init?(
    _ id: NodeID, of source: ValueID, channels: Int, _ graph: Graph, _ operators: OperatorSet
  ) throws(Diagnostic) {
    let operands = graph.operands(of: id)
    if let norm = try operators.instance(of: id, in: graph) as? BatchNormalization {
      let parameters = operands[1...].compactMap { graph.constant($0)?.doubleElements() }
      guard parameters.count == 4, parameters.allSatisfy({ $0.count == channels }) else { return nil }
      let factors = zip(parameters[0], parameters[3]).map { $0 / ($1 + Double(norm.epsilon)).squareRoot() }
      self.factors = factors
      offsets = (0..<channels).map { parameters[1][$0] - parameters[2][$0] * factors[$0] }
      return
    }
    let side = operands[0] == source ? 0 : 1
    guard let constant = graph.constant(operands[1 - side]),
      let numbers = Self.perChannel(constant, channels, rank: graph.values[source].type.rank)
    else { return nil }
    let (ones, zeros) = (numbers.map { _ in 1.0 }, numbers.map { _ in 0.0 })
    switch (graph.nodes[id].op, side) {
    case ("Add", _): (factors, offsets) = (ones, numbers)
    case ("Sub", 0): (factors, offsets) = (ones, numbers.map { -$0 })
    case ("Sub", _): (factors, offsets) = (ones.map { -$0 }, numbers)
    case ("Mul", _): (factors, offsets) = (numbers, zeros)
    case ("Div", 0) where numbers.allSatisfy({ $0 != 0 }):
      (factors, offsets) = (numbers.map { 1 / $0 }, zeros)
    default: return nil
    }
  }

  /// The constant's number for each channel, where it varies along dimension 1 alone and leaves the rank.
  private static func perChannel(_ constant: Tensor, _ channels: Int, rank: Int) -> [Double]? {
    guard constant.element.isFloat, constant.shape.count <= rank, rank > 1 else { return nil }
    let lead = rank - constant.shape.count
    let others = constant.shape.indices.filter { $0 + lead != 1 }
    guard others.allSatisfy({ constant.shape[$0] == 1 }) else { return nil }
    let numbers = constant.doubleElements()
    if numbers.count == 1 { return Array(repeating: numbers[0], count: channels) }
    return numbers.count == channels ? numbers : nil
  }
}
