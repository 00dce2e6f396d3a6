import GraphIR

/// The nodes that quantize inputs or dequantize outputs. A Cast of an input that is only quantized goes along, and one of a
/// dequantized output: what crosses the link is narrow also where a model has f16 at its ends.
struct Conversions: Sendable {
  private(set) var quantizing: Set<NodeID> = []
  private(set) var dequantizing: Set<NodeID> = []

  func contains(_ node: NodeID) -> Bool { quantizing.contains(node) || dequantizing.contains(node) }

  init(_ graph: Graph) {
    let uses = graph.useCounts()
    let users = graph.users()
    let outputs = Set(graph.outputs)
    /// Nodes whose result is only quantized, or that quantize.
    var leadIn: Set<NodeID> = []
    /// Values that leave, as they are or through Casts alone.
    var leaving: Set<ValueID> = outputs.filter { uses[$0] == 1 }
    for node in graph.order.reversed() where graph.nodes[node].domain.isEmpty {
      guard let result = graph.results(of: node).first, let operand = graph.operands(of: node).first else {
        continue
      }
      switch graph.nodes[node].op {
      case "QuantizeLinear": leadIn.insert(node)
      case "Cast":
        if !outputs.contains(result), users[result].allSatisfy(leadIn.contains) { leadIn.insert(node) }
        if leaving.contains(result), uses[operand] == 1 { leaving.insert(operand) }
      default: break
      }
    }
    var given = Set(graph.values.ids.filter { graph.values[$0].definition == .input })
    var widened: Set<ValueID> = []
    for node in graph.order where graph.nodes[node].domain.isEmpty {
      guard let result = graph.results(of: node).first, let operand = graph.operands(of: node).first,
        !operand.isNone
      else { continue }
      if leadIn.contains(node), given.contains(operand) {
        quantizing.insert(node)
        if graph.nodes[node].op == "Cast" { given.insert(result) }
      }
      let opens = graph.nodes[node].op == "DequantizeLinear"
      let goesOn = graph.nodes[node].op == "Cast" && widened.contains(operand)
      if opens || goesOn, leaving.contains(result) {
        dequantizing.insert(node)
        widened.insert(result)
      }
    }
  }
}

extension Graph {
  /// The value that Casts alone make another one of.
  func beforeCasts(_ value: ValueID) -> ValueID {
    let node = definer(of: value)
    guard !node.isNone, nodes[node].op == "Cast", let operand = operands(of: node).first else { return value }
    return beforeCasts(operand)
  }
}
