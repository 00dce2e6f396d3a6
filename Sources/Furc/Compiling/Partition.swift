import GraphIR
import KernelIR
import Machine
import NPUCompiler
import Operators
import Support
import Tensors

/// A graph cut into steps: the nodes of each run in one place, and depend on steps before it alone.
struct Partition: Sendable {
  enum Place: Equatable, Sendable {
    case device
    /// On the host, with the reason why the target does not take it.
    case host(String)
    /// Quantizes an input or dequantizes an output, with the Casts beside that; the host does that for every target.
    case conversion
  }

  struct Segment {
    let kind: ProgramOutline.Step.Kind
    let graph: Graph
    /// Of the whole graph.
    let nodes: [NodeID]
  }

  private(set) var places = SideTable<NodeID, Place>(default: .device)
  private let graph: Graph
  private let conversions: Conversions

  /// - Parameter graph: in the canonical quantized form, names unique.
  init(_ graph: Graph, on machine: SliceMachine, _ operators: OperatorSet) {
    self.graph = graph
    conversions = Conversions(graph)
    for node in graph.order {
      if conversions.contains(node) {
        places[node] = .conversion
      } else if let reason = Self.refusal(of: node, in: graph, on: machine, operators) {
        places[node] = .host(reason)
      }
    }
  }

  /// Moves a node to the host after the fact.
  mutating func refuse(_ node: NodeID, _ reason: String) { places[node] = .host(reason) }

  /// The nodes on the host, conversions apart, in program order.
  var hostNodes: [(node: NodeID, reason: String)] {
    graph.order.compactMap { node in
      guard case .host(let reason) = places[node] else { return nil }
      return (node, reason)
    }
  }

  /// Why the target cannot run a node, or nil.
  static func refusal(
    of node: NodeID, in graph: Graph, on machine: SliceMachine, _ operators: OperatorSet
  ) -> String? {
    let results = graph.results(of: node)
    let values = (graph.operands(of: node) + results).filter { !$0.isNone }
    if let open = values.first(where: { graph.values[$0].type.concrete == nil }) {
      return "the shape of '\(graph.values[open].name)' is known only at run time"
    }
    if values.contains(where: { graph.values[$0].type.shape.contains(0) }) {
      return "a value has no elements"
    }
    let single = graph.extracting([node], returning: results, name: "")
    let kernels: KernelGraph
    do { kernels = try operators.lower(single) } catch { return error.message }
    for id in kernels.nodes.ids {
      if let reason = NPUCompiler.refusal(of: kernels.nodes[id], in: kernels, on: machine) { return reason }
    }
    return nil
  }

  /// Levels alternate between host (even) and device (odd); a node stands on the lowest level that none of its
  /// operands exceeds.
  private func levels() -> SideTable<NodeID, Int> {
    let definers = graph.definers()
    var level = SideTable<NodeID, Int>(default: 0)
    for node in graph.order {
      let parity = places[node] == .device ? 1 : 0
      var lowest = parity
      for operand in graph.operands(of: node) where !operand.isNone && !definers[operand].isNone {
        lowest = max(lowest, level[definers[operand]])
      }
      level[node] = lowest % 2 == parity ? lowest : lowest + 1
    }
    return level
  }

  private var programCount: Int {
    let level = levels()
    return Set(graph.order.map { level[$0] }.filter { $0 % 2 == 1 }).count
  }

  /// How many device programs fewer there would be if the target took a node.
  func programs(causedBy node: NodeID) -> Int {
    var other = self
    other.places[node] = .device
    return max(programCount - other.programCount, 0)
  }

  /// The steps in order.
  func segments() -> [Segment] {
    let level = levels()
    let highest = graph.order.map { level[$0] }.max() ?? 0
    var groups: [(kind: ProgramOutline.Step.Kind, nodes: [NodeID])] = []
    for number in 0...highest {
      let nodes = graph.order.filter { level[$0] == number }
      guard number % 2 == 0 else {
        groups.append((.device, nodes))
        continue
      }
      groups.append((.conversion, nodes.filter(conversions.quantizing.contains)))
      groups.append((.host, nodes.filter { places[$0] != .conversion }))
      groups.append((.conversion, nodes.filter(conversions.dequantizing.contains)))
    }
    groups.removeAll { $0.nodes.isEmpty }
    return groups.enumerated().map { index, group in
      let later = groups[(index + 1)...].flatMap(\.nodes)
      return segment(group.kind, group.nodes, readLater: later)
    }
  }

  private func segment(
    _ kind: ProgramOutline.Step.Kind, _ nodes: [NodeID], readLater later: [NodeID]
  ) -> Segment {
    let read = Set(later.flatMap { graph.operands(of: $0) }).union(graph.outputs)
    let outputs = nodes.flatMap { graph.results(of: $0) }.filter(read.contains)
    return Segment(
      kind: kind, graph: graph.extracting(nodes, returning: outputs, name: kind.rawValue), nodes: nodes)
  }
}
