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
  private var roles = SideTable<NodeID, QuantizedNode?>(default: nil)
  /// The variables that need a scale, in the order of ids: operands and results of quantized nodes but those that
  /// are cut or settled.
  private(set) var scaled: [ValueID] = []
  /// The nodes that compute in integers, in program order.
  private(set) var layers: [QuantizedLayer] = []

  /// - Parameter kept: nodes that stay in f32.
  init(_ graph: Graph, keeping kept: Set<NodeID> = []) {
    let exact = Self.feedingIntegers(graph)
    for node in graph.order where !kept.contains(node) && !exact.contains(node) {
      roles[node] = QuantizedRole.of(node, in: graph).map {
        QuantizedNode(role: $0.role, operands: $0.operands)
      }
    }
    settleConversions(graph)
    joinValues(graph)
    for node in graph.order {
      guard let quantized = roles[node], quantized.role != .move else { continue }
      let operands = graph.operands(of: node)
      for position in quantized.operands { isComputed[root(operands[position])] = true }
      isComputed[root(graph.results(of: node)[0])] = true
    }
    listScaled(graph)
    listLayers(graph)
  }

  /// How a node takes part; nil where it stays in f32.
  func role(of node: NodeID) -> QuantizedNode? { roles[node] }

  /// One value stands for its group: the earliest.
  func root(_ value: ValueID) -> ValueID {
    var value = value
    while !parents[value].isNone { value = parents[value] }
    return value
  }

  /// Whether quantizing the group serves any operator that computes.
  func isWorthwhile(_ root: ValueID) -> Bool { isComputed[root] }

  // MARK: building

  /// What a Cast turns into integers, and how that is computed: shapes and positions, which no rounding may change. A
  /// contraction ends the search, whose sums are not exact anyhow.
  private static func feedingIntegers(_ graph: Graph) -> Set<NodeID> {
    var found: Set<NodeID> = []
    var isExact = SideTable<ValueID, Bool>(default: false)
    for node in graph.order.reversed() {
      let operands = graph.operands(of: node).filter { !$0.isNone }
      let results = graph.results(of: node)
      if graph.nodes[node].op == "Cast", [.i32, .i64].contains(graph.values[results[0]].type.element) {
        isExact[operands[0]] = true
      } else if results.contains(where: { isExact[$0] }),
        QuantizedRole.of(node, in: graph)?.role != .contraction
      {
        found.insert(node)
        for operand in operands { isExact[operand] = true }
      }
    }
    return found
  }

  /// The operators into which the pass `fuse-activation` takes a Relu.
  private static let takesActivation: Set<String> = ["Conv", "Gemm", "MatMul", "Add"]

  private mutating func settleConversions(_ graph: Graph) {
    let users = graph.users()
    for node in graph.order {
      for result in graph.results(of: node) where !graph.outputs.contains(result) {
        let readers = users[result].map { graph.nodes[$0].op }
        isSettled[result] = !readers.isEmpty && readers.allSatisfy { $0 == "QuantizeLinear" }
      }
      if graph.nodes[node].op == "DequantizeLinear" { isSettled[graph.results(of: node)[0]] = true }
    }
  }

  private mutating func joinValues(_ graph: Graph) {
    let uses = graph.useCounts()
    let definers = graph.definers()
    for node in graph.order {
      guard let quantized = roles[node] else { continue }
      let operands = graph.operands(of: node)
      let result = graph.results(of: node)[0]
      if quantized.role == .move {
        for position in quantized.operands { join(operands[position], result) }
      }
      let operand = operands[0]
      guard ["Relu", "Clip"].contains(graph.nodes[node].op), uses[operand] == 1,
        graph.constant(operand) == nil, !graph.outputs.contains(operand)
      else { continue }
      join(operand, result)
      isCut[operand] = true
      let producer = definers[operand]
      guard graph.nodes[node].op == "Relu", !producer.isNone, roles[producer] != nil,
        Self.takesActivation.contains(graph.nodes[producer].op),
        graph.nodes[producer].attribute("activation") == nil
      else { continue }
      isSettled[operand] = true
    }
  }

  private mutating func listScaled(_ graph: Graph) {
    var isScaled = SideTable<ValueID, Bool>(default: false)
    for node in graph.order {
      guard let quantized = roles[node] else { continue }
      let operands = graph.operands(of: node)
      for id in quantized.operands.map({ operands[$0] }) + graph.results(of: node) {
        isScaled[id] = graph.constant(id) == nil && !isCut[id] && !isSettled[id] && isWorthwhile(root(id))
      }
    }
    scaled = graph.values.ids.filter { isScaled[$0] }
  }

  private mutating func listLayers(_ graph: Graph) {
    let users = graph.users()
    for node in graph.order {
      guard let quantized = roles[node], quantized.role != .move else { continue }
      let result = graph.results(of: node)[0]
      var layer = QuantizedLayer(node: node, quantized: quantized, result: result)
      if isCut[result], let activation = users[result].first {
        layer.activation = activation
        layer.result = graph.results(of: activation)[0]
      }
      layers.append(layer)
    }
  }

  private mutating func join(_ left: ValueID, _ right: ValueID) {
    let (left, right) = (root(left), root(right))
    guard left != right else { return }
    parents[max(left, right)] = min(left, right)
  }
}

/// How a node takes part in an i8 graph, and which of its operands are quantized.
struct QuantizedNode: Equatable {
  let role: QuantizedRole
  let operands: [Int]
}

/// A node that computes in integers, with the Relu or Clip that alone reads its result.
struct QuantizedLayer {
  let node: NodeID
  let quantized: QuantizedNode
  var activation: NodeID?
  /// Of the activation where there is one.
  var result: ValueID

  var nodes: [NodeID] { [node] + (activation.map { [$0] } ?? []) }
}
