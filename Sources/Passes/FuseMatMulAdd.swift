import GraphIR
import Operators
import Support
import Tensors

extension Pass {
  public static let fuseMatMulAdd = Pass(
    "fuse-matmul-add", "turns a MatMul of matrices and the Add of a constant behind it into a Gemm", run: fuse
  )
}

private func fuse(_ rewriter: inout Rewriter, _ operators: OperatorSet) throws(Diagnostic) {
  let uses = rewriter.graph.useCounts()
  let definers = rewriter.graph.definers()
  for add in rewriter.graph.order where rewriter.graph.nodes[add].op == "Add" {
    let graph = rewriter.graph
    let operands = graph.operands(of: add)
    guard graph.nodes[add].domain.isEmpty, operands.count == 2,
      let side = operands.indices.first(where: { isConstant(operands[1 - $0], graph, definers) })
    else { continue }
    let (sum, bias) = (operands[side], operands[1 - side])
    let product = definers[sum]
    guard !product.isNone, graph.nodes[product].op == "MatMul", graph.nodes[product].domain.isEmpty,
      graph.nodes[product].attributes.isEmpty, uses[sum] == 1, fits(sum, bias, product, graph)
    else { continue }
    guard rewriter.startChange() else { return }
    let parts = [graph.nodes[product], graph.nodes[add]]
    let fused = Node("Gemm", name: parts[0].name, parts[1].attributes).merging(parts)
    rewriter.redefine(add, as: fused, graph.operands(of: product) + [bias])
    rewriter.erase(product)
  }
}

/// A constant, or the real values of one.
private func isConstant(_ value: ValueID, _ graph: Graph, _ definers: SideTable<ValueID, NodeID>) -> Bool {
  if graph.constant(value) != nil { return true }
  let definer = definers[value]
  return !definer.isNone && graph.nodes[definer].op == "DequantizeLinear"
    && graph.operands(of: definer).allSatisfy { $0.isNone || graph.constant($0) != nil }
}

/// Matrices, and a bias that leaves the shape of the product as it is.
private func fits(_ sum: ValueID, _ bias: ValueID, _ product: NodeID, _ graph: Graph) -> Bool {
  let (type, constant) = (graph.values[sum].type, graph.values[bias])
  let factors = graph.operands(of: product).map { graph.values[$0].type.rank }
  guard factors == [2, 2], constant.type.rank <= 2, constant.quantization == nil else { return false }
  return zip(constant.type.shape.reversed(), type.shape.reversed()).allSatisfy { own, other in
    own.extent == 1 || own == other
  }
}
