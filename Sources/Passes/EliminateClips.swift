import GraphIR
import KernelIR
import Operators
import Support
import Tensors

extension Pass {
  public static let eliminateClips = Pass(
    "eliminate-clips", "erases a Clip or Relu whose bounds the QuantizeLinear behind it enforces as well",
    run: eliminate)
}

/// Quantizing saturates. Where both bounds quantize to the ends of the stored type, clipping before changes
/// no number (NaN quantizes like 0 and passes both).
private func eliminate(_ rewriter: inout Rewriter, _ operators: OperatorSet) throws(Diagnostic) {
  for node in rewriter.graph.order {
    let graph = rewriter.graph
    guard let bounds = bounds(of: node, graph) else { continue }
    let result = graph.results(of: node)[0]
    let users = graph.users(of: result)
    let isRedundant = users.allSatisfy { user in
      guard let target = graph.conversion(user, "QuantizeLinear") else { return false }
      return saturates(bounds.low, bounds.high, target)
    }
    guard isRedundant, !users.isEmpty, !graph.outputs.contains(result) else { continue }
    guard rewriter.startChange() else { return }
    rewriter.replaceUses(of: result, by: graph.operands(of: node)[0])
    rewriter.erase(node)
  }
}

private func bounds(of id: NodeID, _ graph: Graph) -> (low: Float?, high: Float?)? {
  let node = graph.nodes[id]
  guard node.domain.isEmpty, graph.results(of: id).count == 1,
    graph.values[graph.results(of: id)[0]].type.element == .f32
  else { return nil }
  switch node.op {
  case "Relu": return (0, nil)
  case "Clip":
    let operands = graph.operands(of: id)
    var bounds: [Float?] = [nil, nil]
    for index in 1..<max(operands.count, 1) where !operands[index].isNone {
      guard let value = graph.constant(operands[index])?.floatElements().first else { return nil }
      bounds[index - 1] = value
    }
    return (bounds[0], bounds[1])
  default: return nil
  }
}

private func saturates(_ low: Float?, _ high: Float?, _ target: Conversion) -> Bool {
  guard let range = target.element.integerRange else { return false }
  let quantization = target.quantization
  return zip(quantization.scale, quantization.zeroPoint).allSatisfy { scale, zero in
    func stored(_ value: Float) -> Int32 {
      Arithmetic.quantize(value, scale: scale, zeroPoint: zero, low: range.lowerBound, high: range.upperBound)
    }
    return low.map { stored($0) == range.lowerBound } ?? true
      && high.map { stored($0) == range.upperBound } ?? true
  }
}
