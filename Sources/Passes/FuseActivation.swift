import GraphIR
import Operators
import Support
import Tensors

extension Pass {
  public static let fuseActivation = Pass(
    "fuse-activation", "moves a Relu into the Conv, Gemm, MatMul or Add before it", run: fuse)
}

/// Where the Relu is the only user: one rounding less for narrow floats, the same bits for f32.
private func fuse(_ rewriter: inout Rewriter, _ operators: OperatorSet) throws(Diagnostic) {
  let uses = rewriter.graph.useCounts()
  let definers = rewriter.graph.definers()
  for relu in rewriter.graph.order where rewriter.graph.nodes[relu].op == "Relu" {
    let graph = rewriter.graph
    let operand = graph.operands(of: relu)[0]
    let producer = definers[operand]
    guard !producer.isNone, uses[operand] == 1, graph.nodes[relu].domain.isEmpty else { continue }
    let node = graph.nodes[producer]
    let value = graph.values[operand]
    guard ["Conv", "Gemm", "MatMul", "Add"].contains(node.op), node.domain.isEmpty,
      node.attribute("activation") == nil, value.quantization == nil,
      [.f32, .f16, .bf16].contains(value.type.element)
    else { continue }
    guard rewriter.startChange() else { return }
    let fused = node.setting("activation", .string(Activation.relu.rawValue)).merging([graph.nodes[relu]])
    rewriter.redefine(relu, as: fused, graph.operands(of: producer))
    rewriter.erase(producer)
  }
}
