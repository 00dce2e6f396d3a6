import GraphIR
import Operators
import Support
import Tensors

extension Pass {
  public static let eliminateCommonSubexpressions = Pass(
    "eliminate-common-subexpressions", "computes once what several nodes compute alike", run: eliminate)
}

/// In program order, so that the first of equal nodes stays and operands have become equal before their users
/// are compared. Operators are functions: equal operands, attributes and regions give equal results.
private func eliminate(_ rewriter: inout Rewriter, _ operators: OperatorSet) throws(Diagnostic) {
  let numbers = ConstantNumbers(rewriter.graph)
  var seen: [Key: [NodeID]] = [:]
  for node in rewriter.graph.order {
    let graph = rewriter.graph
    let operands = graph.operands(of: node).map { numbers.representative(of: $0, graph) }
    let key = Key(op: graph.nodes[node].op, domain: graph.nodes[node].domain, operands: operands)
    guard let twin = seen[key]?.first(where: { isSame($0, node, graph) }) else {
      seen[key, default: []].append(node)
      continue
    }
    let pairs = Array(zip(graph.results(of: node), graph.results(of: twin)))
    // The name of an output is the graph's interface, and a value has one name.
    let isNamedTwice = pairs.contains { graph.outputs.contains($0) && graph.outputs.contains($1) }
    guard !isNamedTwice else { continue }
    guard rewriter.startChange() else { return }
    for (old, new) in pairs {
      if graph.outputs.contains(old) { rewriter.setName(of: new, to: graph.values[old].name) }
      rewriter.replaceUses(of: old, by: new)
    }
    rewriter.redefine(
      twin, as: graph.nodes[twin].merging([graph.nodes[node]]), graph.operands(of: twin))
    rewriter.erase(node)
  }
}

private struct Key: Hashable {
  let op: String
  let domain: String
  let operands: [ValueID]
}

/// Whether nodes of one operator and equal operands agree in all else.
private func isSame(_ first: NodeID, _ second: NodeID, _ graph: Graph) -> Bool {
  let (a, b) = (graph.nodes[first], graph.nodes[second])
  let results = (graph.results(of: first), graph.results(of: second))
  return a.attributes == b.attributes && results.0.count == results.1.count
    && zip(results.0, results.1).allSatisfy {
      graph.values[$0].type == graph.values[$1].type
        && graph.values[$0].quantization == graph.values[$1].quantization
    }
    && a.regions == b.regions
}

/// One value for all constants that are known to be equal: small ones by their bytes, others where they are the
/// same bytes in memory, so that weights are neither read nor hashed.
private struct ConstantNumbers {
  private static let largestCompared = 256

  private enum Content: Hashable {
    case bytes([UInt8])
    case memory(UnsafeRawPointer?)
  }

  private struct Key: Hashable {
    let type: TensorType
    let quantization: Quantization?
    let content: Content
  }

  private var first: [Key: ValueID] = [:]
  private var representatives = SideTable<ValueID, ValueID>(default: .none)

  init(_ graph: Graph) {
    for id in graph.constants {
      guard let tensor = graph.constant(id) else { continue }
      let bytes = tensor.bytes
      let content =
        bytes.count <= Self.largestCompared
        ? tensor.withBytes { Content.bytes(Array($0)) } : .memory(bytes.baseAddress)
      let key = Key(type: tensor.type, quantization: graph.values[id].quantization, content: content)
      representatives[id] = first[key] ?? id
      if first[key] == nil { first[key] = id }
    }
  }

  func representative(of value: ValueID, _ graph: Graph) -> ValueID {
    guard !value.isNone, !representatives[value].isNone else { return value }
    return representatives[value]
  }
}
