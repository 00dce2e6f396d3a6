import GraphIR
import Support
import Tensors

/// Brings nodes of older opset versions into the newest form, once, on import.
struct Upgrade: Sendable {
  let op: String
  /// It holds for versions below this.
  let below: Int64
  /// Whether the operator has another name afterwards.
  let renames: Bool
  let run: @Sendable (inout PendingNode, GraphImporter) throws(Diagnostic) -> Void

  init(
    _ op: String, below: Int64, renames: Bool = false,
    _ run: @escaping @Sendable (inout PendingNode, GraphImporter) throws(Diagnostic) -> Void
  ) {
    self.op = op
    self.below = below
    self.renames = renames
    self.run = run
  }

  /// In the order of application; a renamed node meets the upgrades of its new name too.
  private static let all: [String: [Upgrade]] = Dictionary(
    grouping: legacy + operands + broadcasting + resizing + normalization, by: \.op)

  static func apply(to node: inout PendingNode, _ importer: GraphImporter) throws(Diagnostic) {
    guard node.domain.isEmpty else { return }
    _ = node.take("consumed_inputs")
    var op = ""
    // A name is left behind once, so this ends.
    while op != node.op {
      op = node.op
      for upgrade in all[op] ?? [] where node.version < upgrade.below && node.op == op {
        try upgrade.run(&node, importer)
      }
    }
  }

  /// Whether nodes of this old name become nodes of others.
  static func replaces(_ op: String, version: Int64) -> Bool {
    (all[op] ?? []).contains { $0.renames && version < $0.below }
  }
}

extension GraphImporter {
  /// A one-dimensional constant.
  func vector(_ values: [Int64]) throws(Diagnostic) -> ValueID {
    constant(try Tensor(TensorType(.i64, [values.count]), values))
  }

  /// A constant of rank 0.
  func scalar(_ value: Float, _ element: ElementType) throws(Diagnostic) -> ValueID {
    if element == .f64 { return constant(try Tensor(TensorType(.f64, []), [Double(value)])) }
    guard element.isFloat else {
      throw Diagnostic(.invalidOperand, "operands are of type \(element.rawValue), allowed are floats")
    }
    return constant(try Tensor(element, .f32(value)))
  }

  /// `value` with dimensions of extent 1 inserted behind its last.
  func appendingOnes(_ count: Int, to value: ValueID, for node: PendingNode) throws(Diagnostic) -> ValueID {
    guard count > 0 else { return value }
    if let tensor = constant(of: value) {
      return constant(try tensor.reshaped(tensor.shape + [Int](repeating: 1, count: count)))
    }
    let rank = type(of: value).rank
    let axes = try vector((rank..<(rank + count)).map { Int64($0) })
    return try helper("Unsqueeze", [value, axes], for: node)
  }
}
