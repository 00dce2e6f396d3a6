import GraphIR
import Operators
import Support
import Tensors

extension GraphImporter {
  /// A node as graphs hold it: its attributes in the order of the operator's schema, defaults left out.
  func canonical(_ node: Node) throws(Diagnostic) -> Node {
    Node(
      node.op, domain: node.domain, name: node.name,
      try context.operators.instance(of: node).attributes, regions: node.regions, sources: node.sources)
  }

  /// The types of a node's first `count` results.
  /// - Throws: `invalidOperand` where the operator has fewer, and what inference throws.
  func infer(_ node: Node, _ operands: [ValueID], _ count: Int) throws(Diagnostic) -> [ValueType] {
    let types = try context.operators.infer(
      node,
      operands.map { operand -> OperandType? in
        operand.isNone ? nil : OperandType(type(of: operand), constant: value(of: operand))
      })
    guard count <= types.count else {
      throw Diagnostic(.invalidOperand, "the node names \(count) results, the operator has \(types.count)")
    }
    return Array(types.prefix(count))
  }

  /// What shapes are computed from has few elements.
  private static let knownSize = 4096

  /// The values of a node's results as far as they follow from constants and shapes, so that inference sees
  /// through the computations of shapes that exporters write. The graph itself stays as the model has it.
  func knownResults(_ node: Node, _ operands: [ValueID], _ types: [ValueType]) -> [Tensor] {
    guard node.regions.isEmpty, node.domain.isEmpty, types.allSatisfy(Self.isSmall) else { return [] }
    if node.op == "Shape" {
      guard let extents = operands.first.flatMap({ $0.isNone ? nil : type(of: $0).extents }),
        case let range = Self.shapeRange(node, rank: extents.count),
        let tensor = try? Tensor(TensorType(.i64, [range.count]), extents[range].map { Int64($0) })
      else { return [] }
      return [tensor]
    }
    var values: [Tensor?] = []
    for operand in operands {
      guard !operand.isNone else {
        values.append(nil)
        continue
      }
      guard let value = value(of: operand), value.count <= Self.knownSize else { return [] }
      values.append(value)
    }
    guard !values.isEmpty, let instance = try? context.operators.instance(of: node) else { return [] }
    let results = (try? instance.evaluate(values)) ?? []
    return zip(results, types).allSatisfy { $0.element == $1.element } ? results : []
  }

  private static func isSmall(_ type: ValueType) -> Bool {
    guard let count = try? type.concrete?.elementCount() else { return false }
    return count <= knownSize
  }

  /// The dimensions that a Shape node asks for.
  private static func shapeRange(_ node: Node, rank: Int) -> Range<Int> {
    func bound(_ name: String, _ absent: Int) -> Int {
      guard case .int(let value) = node.attribute(name) else { return absent }
      let axis = Int(clamping: value)
      return min(max(axis < 0 ? axis + rank : axis, 0), rank)
    }
    let start = bound("start", 0)
    return start..<max(start, bound("end", rank))
  }
}
