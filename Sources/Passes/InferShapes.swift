import GraphIR
import Operators
import Support
import Tensors

extension Pass {
  public static let inferShapes = inferShapes(binding: [:])

  /// - Parameter symbols: extents for symbolic dimensions of the graph's inputs.
  public static func inferShapes(binding symbols: [String: Int]) -> Pass {
    Pass("infer-shapes", "binds symbolic dimensions and infers the types of all values") {
      (rewriter, operators) throws(Diagnostic) in
      for input in rewriter.graph.inputs {
        let type = rewriter.graph.values[input].type
        let bound = type.binding(symbols)
        guard bound != type else { continue }
        guard rewriter.startChange() else { return }
        rewriter.setType(of: input, to: bound)
      }
      for node in rewriter.graph.order { try rewriter.refineTypes(of: node, operators, symbols) }
    }
  }
}

extension Rewriter {
  /// Gives the results of a node the types that its operands imply, where those say more.
  mutating func refineTypes(
    of node: NodeID, _ operators: OperatorSet, _ symbols: [String: Int] = [:]
  ) throws(Diagnostic) {
    // What a region gives was inferred when the region was made, and may depend on values.
    guard graph.nodes[node].regions.isEmpty else { return }
    let results = graph.results(of: node)
    for (result, inferred) in zip(results, try operators.infer(node, in: graph)) {
      let stated = graph.values[result].type
      guard stated.rank == inferred.rank else {
        throw Diagnostic(
          .invalidOperand, at: graph.location(of: node), "the result is \(stated), inferred is \(inferred)")
      }
      let shape = zip(stated.binding(symbols).shape, inferred.shape).map { old, new in
        new.extent == nil && (old.extent != nil || new == .unknown) ? old : new
      }
      let refined = ValueType(stated.element, shape)
      guard refined != stated else { continue }
      guard startChange() else { return }
      setType(of: result, to: refined)
    }
  }
}
