import GraphIR
import Operators
import Support
import Tensors

extension GraphImporter {
  /// The types of a node's first `count` results.
  /// - Throws: `invalidOperand` where the operator has fewer, and what inference throws.
  func infer(_ node: Node, _ operands: [ValueID], _ count: Int) throws(Diagnostic) -> [ValueType] {
    let types = try context.operators.infer(
      node,
      operands.map { operand -> OperandType? in
        operand.isNone ? nil : OperandType(type(of: operand), constant: constant(of: operand))
      })
    guard count <= types.count else {
      throw Diagnostic(.invalidOperand, "the node names \(count) results, the operator has \(types.count)")
    }
    return Array(types.prefix(count))
  }
}
