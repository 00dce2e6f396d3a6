import GraphIR
import Support
import Tensors

/// Which values of a graph share a scale. Moves join operand and result; a Relu or Clip joins an operand that
/// it alone reads, which then saturates where the Relu or Clip would cut.
struct ScaleGroups {
  private var parents = SideTable<ValueID, ValueID>(default: .none)
  /// Values that are cut by their only user: their own interval does not matter.
  private(set) var isCut = SideTable<ValueID, Bool>(default: false)
  /// Values that a quantized node may give or read in f32: results whose node takes in the Relu that alone
  /// reads them, results that the graph quantizes itself, and what it dequantizes itself.
  private(set) var isSettled = SideTable<ValueID, Bool>(default: false)
  /// Whether some operator computes on a value of the group of this root.
  private var isComputed = SideTable<ValueID, Bool>(default: false)

  init(_ graph: Graph) {
    let uses = graph.useCounts()
    let definers = graph.definers()
    let users = graph.users()
    for node in graph.order {
      for result in graph.results(of: node) where !graph.outputs.contains(result) {
        let readers = users[result].map { graph.nodes[$0].op }
        isSettled[result] = !readers.isEmpty && readers.allSatisfy { $0 == "QuantizeLinear" }
      }
      if graph.nodes[node].op == "DequantizeLinear" { isSettled[graph.results(of: node)[0]] = true }
    }
    for node in graph.order {
      guard let (role, positions) = QuantizedRole.of(node, in: graph) else { continue }
      let operands = graph.operands(of: node)
      let result = graph.results(of: node)[0]
      if role == .move { for position in positions { join(operands[position], result) } }
      let operand = operands[0]
      guard ["Relu", "Clip"].contains(graph.nodes[node].op), uses[operand] == 1,
        graph.constant(operand) == nil, !graph.outputs.contains(operand)
      else { continue }
      join(operand, result)
      isCut[operand] = true
      let producer = definers[operand]
      guard graph.nodes[node].op == "Relu", !producer.isNone,
        Self.takesActivation.contains(graph.nodes[producer].op),
        graph.nodes[producer].attribute("activation") == nil
      else { continue }
      isSettled[operand] = true
    }
    for node in graph.order {
      guard let (role, positions) = QuantizedRole.of(node, in: graph), role != .move else { continue }
      let operands = graph.operands(of: node)
      for position in positions { isComputed[root(operands[position])] = true }
      isComputed[root(graph.results(of: node)[0])] = true
    }
  }

  /// The operators into which the pass `fuse-activation` takes a Relu.
  private static let takesActivation: Set<String> = ["Conv", "Gemm", "MatMul", "Add"]

  /// One value stands for its group: the earliest.
  func root(_ value: ValueID) -> ValueID {
    var value = value
    while !parents[value].isNone { value = parents[value] }
    return value
  }

  /// Whether quantizing the group serves any operator that computes.
  func isWorthwhile(_ root: ValueID) -> Bool { isComputed[root] }

  private mutating func join(_ left: ValueID, _ right: ValueID) {
    let (left, right) = (root(left), root(right))
    guard left != right else { return }
    parents[max(left, right)] = min(left, right)
  }
}
