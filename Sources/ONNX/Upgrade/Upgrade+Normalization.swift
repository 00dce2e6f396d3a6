import GraphIR
import Support
import Tensors

/// Softmax and the norms, and what training left behind.
extension Upgrade {
  static let normalization: [Upgrade] =
    ["Softmax", "LogSoftmax", "Hardmax"].map { name in
      Upgrade(name, below: 13, flattened)
    } + [
      Upgrade("BatchNormalization", below: 9) { node, _ throws(Diagnostic) in
        if try node.takeInt("spatial") == 0 {
          throw Diagnostic(.unsupportedModel, "BatchNormalization with spatial = 0 is not supported")
        }
      },
      // Running statistics are results of training alone.
      Upgrade("BatchNormalization", below: 14) { node, _ in
        _ = node.take("is_test")
        node.outputs = Array(node.outputs.prefix(1))
      },
      // At inference it passes its operand on.
      Upgrade("Dropout", below: .max, renames: true) { node, importer throws(Diagnostic) in
        let training = node.version < 12 ? ValueID.none : node.operand(2)
        let isTraining = importer.constant(of: training).map { $0.bytes.contains { $0 != 0 } }
        guard training.isNone || isTraining == false else {
          throw Diagnostic(.unsupportedModel, "Dropout in training mode is not supported")
        }
        node.op = "Identity"
        node.operands = [try present(node, 0)]
        node.attributes = []
        // A mask that is used is then found to be undefined.
        node.outputs = Array(node.outputs.prefix(1))
      },
      Upgrade("GroupNormalization", below: 21, perChannel),
    ]

  /// Before opset 13 the dimensions from `axis` on were one.
  private static func flattened(_ node: inout PendingNode, _ importer: GraphImporter) throws(Diagnostic) {
    let axis = try node.takeInt("axis") ?? 1
    let x = try present(node, 0)
    let type = importer.type(of: x)
    let rank = Int64(type.rank)
    let start = axis < 0 ? axis + rank : axis
    guard start >= 0, start <= rank else {
      throw Diagnostic(.invalidAttribute, "axis \(axis) is none of \(type)")
    }
    if start == rank - 1 || type.shape.dropFirst(Int(start) + 1).allSatisfy({ $0 == 1 }), start < rank {
      node.set("axis", .int(start))
      return
    }
    let flat = try importer.helper("Flatten", [x], [Attribute("axis", .int(start))], for: node)
    let result = try importer.helper(
      node.op, [flat], node.attributes + [Attribute("axis", .int(-1))], for: node)
    let shape: ValueID
    if let extents = type.extents {
      shape = try importer.vector(extents.map { Int64($0) })
    } else {
      shape = try importer.helper("Shape", [x], for: node)
    }
    node.op = "Reshape"
    node.operands = [result, shape]
    // An extent of 0 stands for itself.
    node.attributes = [Attribute("allowzero", .int(1))]
  }

  /// Before opset 21 scale and bias were per group.
  private static func perChannel(_ node: inout PendingNode, _ importer: GraphImporter) throws(Diagnostic) {
    let type = importer.type(of: try present(node, 0))
    let groups = node.attributes.first { $0.name == "num_groups" }?.value
    guard case .int(let groups) = groups, type.rank > 1, let channels = type.shape[1].extent,
      groups > 0, Int64(channels) % groups == 0
    else { throw Diagnostic(.invalidOperand, "\(type) has no channels to group") }
    for index in 1...2 {
      let column = try importer.appendingOnes(1, to: try present(node, index), for: node)
      let shape = try importer.vector([groups, Int64(channels) / groups])
      let rows = try importer.helper("Expand", [column, shape], for: node)
      node.operands[index] = try importer.helper(
        "Reshape", [rows, try importer.vector([Int64(channels)])], for: node)
    }
  }
}
