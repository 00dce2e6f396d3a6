import GraphIR
import Support
import Tensors

/// Attributes that became operands.
extension Upgrade {
  static let operands: [Upgrade] =
    [
      Upgrade("Reshape", below: 5) { node, importer throws(Diagnostic) in
        try intsToOperand("shape", 1, &node, importer)
      },
      Upgrade("Slice", below: 10) { node, importer throws(Diagnostic) in
        try intsToOperand("starts", 1, &node, importer)
        try intsToOperand("ends", 2, &node, importer)
        try intsToOperand("axes", 3, &node, importer)
      },
      Upgrade("Pad", below: 11) { node, importer throws(Diagnostic) in
        if let pads = node.take("paddings") { node.set("pads", pads) }
        try intsToOperand("pads", 1, &node, importer)
        if let value = try node.takeFloat("value"), value != 0 {
          node.setOperand(2, try importer.scalar(value, importer.type(of: node.operand(0)).element))
        }
      },
      Upgrade("Clip", below: 11) { node, importer throws(Diagnostic) in
        for (name, position) in [("min", 1), ("max", 2)] {
          guard let bound = try node.takeFloat(name) else { continue }
          node.setOperand(position, try importer.scalar(bound, importer.type(of: node.operand(0)).element))
        }
      },
      Upgrade("TopK", below: 10) { node, importer throws(Diagnostic) in
        guard let k = try node.takeInt("k") else { return }
        node.setOperand(1, try importer.vector([k]))
      },
      Upgrade("Split", below: 13) { node, importer throws(Diagnostic) in
        try intsToOperand("split", 1, &node, importer)
      },
      Upgrade("Split", below: 18) { node, _ in
        if node.operand(1).isNone { node.set("num_outputs", .int(Int64(node.outputs.count))) }
      },
      Upgrade("Concat", below: 4) { node, _ throws(Diagnostic) in
        node.set("axis", .int(try node.takeInt("axis") ?? 1))
      },
      Upgrade("Cast", below: 6) { node, _ throws(Diagnostic) in
        guard case .string(let name) = node.take("to") else { return }
        guard let code = castTargets[name] else {
          throw Diagnostic(.invalidAttribute, "'\(name)' is not a type to cast to")
        }
        node.set("to", .int(code))
      },
    ]
    + axesBelow(13, ["Squeeze", "Unsqueeze", "ReduceSum"])
    + axesBelow(
      18,
      [
        "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2", "ReduceLogSum",
        "ReduceLogSumExp", "ReduceSumSquare",
      ])

  private static let castTargets: [String: Int64] = [
    "FLOAT": 1, "UINT8": 2, "INT8": 3, "UINT16": 4, "INT16": 5, "INT32": 6, "INT64": 7, "BOOL": 9,
    "FLOAT16": 10, "DOUBLE": 11, "UINT32": 12, "UINT64": 13,
  ]

  private static func axesBelow(_ version: Int64, _ names: [String]) -> [Upgrade] {
    names.map { name in
      Upgrade(name, below: version) { node, importer throws(Diagnostic) in
        try intsToOperand("axes", 1, &node, importer)
      }
    }
  }

  private static func intsToOperand(
    _ name: String, _ position: Int, _ node: inout PendingNode, _ importer: GraphImporter
  ) throws(Diagnostic) {
    guard let values = try node.takeInts(name) else { return }
    node.setOperand(position, try importer.vector(values))
  }
}
