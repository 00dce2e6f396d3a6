import GraphIR
import Support

/// Before opset 7 the second operand was aligned to the first by attributes.
extension Upgrade {
  static let broadcasting: [Upgrade] =
    ["Add", "Sub", "Mul", "Div", "Pow", "And", "Or", "Xor", "Equal", "Greater", "Less"].map { name in
      Upgrade(name, below: 7) { node, importer throws(Diagnostic) in
        let broadcast = try node.takeInt("broadcast") ?? 0
        guard let axis = try node.takeInt("axis"), broadcast == 1 else { return }
        let rank = importer.type(of: try present(node, 0)).rank
        let other = importer.type(of: try present(node, 1)).rank
        let start = axis < 0 ? Int64(rank) + axis : axis
        guard start >= 0, start <= Int64(rank - other) else {
          throw Diagnostic(
            .invalidAttribute, "axis \(axis) does not align an operand of rank \(other) to rank \(rank)")
        }
        let ones = rank - other - Int(start)
        node.operands[1] = try importer.appendingOnes(ones, to: node.operands[1], for: node)
      }
    } + [
      Upgrade("Gemm", below: 7) { node, _ in _ = node.take("broadcast") },
      // A slope per channel.
      Upgrade("PRelu", below: 7) { node, importer throws(Diagnostic) in
        let rank = importer.type(of: try present(node, 0)).rank
        let slope = importer.type(of: try present(node, 1))
        guard slope.rank == 1, slope.shape[0] != 1, rank > 2 else { return }
        node.operands[1] = try importer.appendingOnes(rank - 2, to: node.operands[1], for: node)
      },
    ]

  /// - Throws: `invalidOperand` where an operand that the operator needs is absent.
  static func present(_ node: PendingNode, _ index: Int) throws(Diagnostic) -> ValueID {
    let value = node.operand(index)
    guard !value.isNone else { throw Diagnostic(.invalidOperand, "operand \(index) is missing") }
    return value
  }
}
