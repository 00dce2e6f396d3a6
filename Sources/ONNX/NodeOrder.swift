import Support

/// Program order of a graph's nodes. ONNX demands that a file lists them so; some exporters do not.
struct NodeOrder {
  /// Positions in `graph.nodes`; the file's order wherever it is one.
  let positions: [Int]

  /// - Throws: `invalidModel` where a node needs its own result.
  init(_ graph: GraphMessage) throws(Diagnostic) {
    var definer: [String: Int] = [:]
    for (position, node) in graph.nodes.enumerated() {
      for output in node.outputs where !output.isEmpty { definer[output] = position }
    }
    let needs = graph.nodes.map { node in
      (node.inputs + node.capturedNames).compactMap { definer[$0] }
    }
    positions = try Self.sort(needs) { cycle in
      let names = cycle.map { "\(graph.nodes[$0].location)" }
      return Diagnostic(
        .invalidModel, "nodes need each other's results: \(names.joined(separator: ", "))")
    }
  }

  /// Depth first without recursion, needs before users.
  private static func sort(
    _ needs: [[Int]], cycle: ([Int]) -> Diagnostic
  ) throws(Diagnostic) -> [Int] {
    enum State {
      case new
      case open
      case done
    }
    var states = [State](repeating: .new, count: needs.count)
    var sorted: [Int] = []
    for start in needs.indices where states[start] == .new {
      var path = [(node: start, next: 0)]
      states[start] = .open
      while let (node, next) = path.last {
        guard next < needs[node].count else {
          states[node] = .done
          sorted.append(node)
          path.removeLast()
          continue
        }
        path[path.count - 1].next += 1
        let need = needs[node][next]
        switch states[need] {
        case .done: break
        case .new:
          states[need] = .open
          path.append((need, 0))
        case .open:
          let nodes = path.map(\.node)
          throw cycle(Array(nodes[(nodes.firstIndex(of: need) ?? 0)...].prefix(8)))
        }
      }
    }
    return sorted
  }
}

extension NodeMessage {
  /// The graphs among its attributes, in their order.
  var graphs: [GraphMessage] {
    attributes.flatMap { attribute -> [GraphMessage] in
      switch attribute.value {
      case .graph(let graph): [graph]
      case .graphs(let graphs): graphs
      default: []
      }
    }
  }

  /// What its graphs take from around the node.
  var capturedNames: [String] { graphs.flatMap(\.freeNames) }
}

extension GraphMessage {
  /// Names that the graph uses and does not define, in the order of their use.
  var freeNames: [String] {
    var defined = Set(inputs.map(\.name))
    defined.formUnion(initializers.map(\.name))
    defined.formUnion(sparseInitializers.compactMap { $0.values?.name })
    for node in nodes { defined.formUnion(node.outputs) }
    let used = nodes.flatMap { $0.inputs + $0.capturedNames } + outputs.map(\.name)
    return used.filter { !$0.isEmpty && defined.insert($0).inserted }
  }
}
