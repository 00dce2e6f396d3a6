import GraphIR
import Operators
import Support
import Tensors

extension Pass {
  public static let mergeReshapes = Pass(
    "merge-reshapes", "makes one Reshape of consecutive nodes that move no element, or none", run: merge)
}

/// Operators that give their operand's elements in row-major order; a Transpose does where it moves only
/// dimensions of extent 1.
private let reshaping: Set<String> = ["Flatten", "Reshape", "Squeeze", "Unsqueeze", "Transpose"]

private func merge(_ rewriter: inout Rewriter, _ operators: OperatorSet) throws(Diagnostic) {
  let definers = rewriter.graph.definers()
  for node in rewriter.graph.order where isReshaping(node, rewriter.graph) {
    let graph = rewriter.graph
    let result = graph.results(of: node)[0]
    var source = graph.operands(of: node)[0]
    var inner: [NodeID] = []
    while case let definer = definers[source], !definer.isNone, isReshaping(definer, graph) {
      inner.append(definer)
      source = graph.operands(of: definer)[0]
    }
    let (from, to) = (graph.values[source], graph.values[result])
    let isSame = from.type == to.type && !from.type.shape.contains(.unknown)
    if isSame, !graph.outputs.contains(result) {
      guard rewriter.startChange() else { return }
      rewriter.replaceUses(of: result, by: source)
      rewriter.erase(node)
    } else {
      let isTranspose = graph.nodes[node].op == "Transpose"
      guard !inner.isEmpty || isTranspose, let shape = to.type.statedShape else { continue }
      guard rewriter.startChange() else { return }
      let target = rewriter.constant(try Tensor(TensorType(.i64, [shape.count]), shape))
      let merged = Node("Reshape", name: graph.nodes[node].name, sources: graph.nodes[node].sources)
        .merging(inner.map { graph.nodes[$0] })
      rewriter.redefine(node, as: merged, [source, target])
    }
    rewriter.eraseUnused(inner)
  }
}

private func isReshaping(_ id: NodeID, _ graph: Graph) -> Bool {
  let node = graph.nodes[id]
  guard node.domain.isEmpty, reshaping.contains(node.op),
    case let (operand, result) = (graph.operands(of: id)[0], graph.results(of: id)[0]),
    graph.values[operand].quantization == nil, graph.values[result].quantization == nil
  else { return false }
  guard node.op == "Transpose" else { return true }
  return Permutation(id, graph)?.isFree(on: graph.values[operand].type.shape) ?? false
}

extension ValueType {
  /// The shape as an operand of Reshape, with -1 for one symbol; nil where it cannot be stated so.
  fileprivate var statedShape: [Int64]? {
    let symbols = shape.count { $0.extent == nil }
    guard symbols <= 1, !shape.contains(.fixed(0)) else { return nil }
    return shape.map { $0.extent.map(Int64.init) ?? -1 }
  }
}
