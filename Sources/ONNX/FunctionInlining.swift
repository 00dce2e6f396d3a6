import Support

/// Replaces calls of a model's own functions by their bodies.
struct FunctionInlining {
  private struct Key: Hashable {
    let domain: String
    let name: String
    let overload: String
  }

  private var functions: [Key: FunctionMessage] = [:]
  private var budget: ImportBudget

  /// The model without functions.
  /// - Throws: `invalidModel` for functions that call themselves, `importLimit`.
  static func inline(
    _ model: ModelMessage, budget: inout ImportBudget
  ) throws(Diagnostic) -> ModelMessage {
    guard !model.functions.isEmpty, let graph = model.graph else { return model }
    var inlining = FunctionInlining(model.functions, budget)
    var model = model
    model.graph = try inlining.inlined(graph, depth: 0)
    model.functions = []
    budget = inlining.budget
    return model
  }

  private init(_ functions: [FunctionMessage], _ budget: ImportBudget) {
    self.budget = budget
    for function in functions {
      let key = Key(domain: function.domain, name: function.name, overload: function.overload)
      self.functions[key] = function
    }
  }

  private mutating func inlined(_ graph: GraphMessage, depth: Int) throws(Diagnostic) -> GraphMessage {
    var graph = graph
    graph.nodes = try inlined(graph.nodes, depth: depth)
    return graph
  }

  private mutating func inlined(_ nodes: [NodeMessage], depth: Int) throws(Diagnostic) -> [NodeMessage] {
    var result: [NodeMessage] = []
    for node in nodes {
      let key = Key(domain: node.domain, name: node.op, overload: node.overload)
      guard let function = functions[key] else {
        var node = node
        for index in node.attributes.indices {
          if case .graph(let graph) = node.attributes[index].value {
            node.attributes[index].value = .graph(try inlined(graph, depth: depth + 1))
          }
        }
        result.append(node)
        continue
      }
      guard depth < WireWalk.maximumDepth else {
        throw Diagnostic(.invalidModel, "function '\(function.name)' calls itself")
      }
      let body = try body(of: function, calledBy: node)
      result += try inlined(body, depth: depth + 1)
    }
    return result
  }

  private mutating func body(
    of function: FunctionMessage, calledBy caller: NodeMessage
  ) throws(Diagnostic) -> [NodeMessage] {
    try budget.spend(1024 * (function.nodes.count + 1), for: "function '\(function.name)'")
    guard caller.inputs.count <= function.inputs.count, caller.outputs.count <= function.outputs.count else {
      throw Diagnostic(
        .invalidModel,
        "node '\(caller.name)' has more operands or results than function '\(function.name)' it calls")
    }
    let prefix = "\(caller.outputs.first ?? caller.name)/\(function.name)/"
    var names: [String: String] = ["": ""]
    for (index, formal) in function.inputs.enumerated() {
      names[formal] = index < caller.inputs.count ? caller.inputs[index] : ""
    }
    for (formal, actual) in zip(function.outputs, caller.outputs) where !actual.isEmpty {
      names[formal] = actual
    }
    var arguments: [String: AttributeMessage.Value] = [:]
    for attribute in function.defaults + caller.attributes { arguments[attribute.name] = attribute.value }
    var versions: [String: Int64] = [:]
    for opset in function.opsets { versions[Domain.canonical(opset.domain)] = opset.version }
    let renaming = Renaming(prefix: prefix, names: names, arguments: arguments)
    return function.nodes.map { node in
      var node = renaming.renamed(node)
      node.name = caller.name.isEmpty ? node.name : "\(caller.name)/\(node.name)"
      node.index = caller.index
      node.version = versions[Domain.canonical(node.domain)] ?? node.version
      return node
    }
  }
}

/// From the names within a function to those of one call.
private struct Renaming {
  let prefix: String
  let names: [String: String]
  let arguments: [String: AttributeMessage.Value]

  private func renamed(_ name: String) -> String { names[name] ?? prefix + name }

  func renamed(_ node: NodeMessage) -> NodeMessage {
    var node = node
    node.inputs = node.inputs.map(renamed)
    node.outputs = node.outputs.map(renamed)
    node.attributes = node.attributes.compactMap { attribute in
      var attribute = attribute
      switch attribute.value {
      case .reference(let name):
        guard let value = arguments[name] else { return nil }
        attribute.value = value
      case .graph(let graph): attribute.value = .graph(renamed(graph))
      default: break
      }
      return attribute
    }
    return node
  }

  private func renamed(_ graph: GraphMessage) -> GraphMessage {
    var graph = graph
    graph.nodes = graph.nodes.map(renamed)
    for index in graph.inputs.indices { graph.inputs[index].name = renamed(graph.inputs[index].name) }
    for index in graph.outputs.indices { graph.outputs[index].name = renamed(graph.outputs[index].name) }
    for index in graph.valueInfos.indices {
      graph.valueInfos[index].name = renamed(graph.valueInfos[index].name)
    }
    for index in graph.initializers.indices {
      graph.initializers[index].name = renamed(graph.initializers[index].name)
    }
    return graph
  }
}

/// Names of operator domains.
enum Domain {
  /// ONNX's own domain has two names.
  static func canonical(_ domain: String) -> String { domain == "ai.onnx" ? "" : domain }
}
