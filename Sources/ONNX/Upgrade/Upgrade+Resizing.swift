import GraphIR
import Support
import Tensors

/// Upsample became Resize, which gained ways to say what lies between the samples.
extension Upgrade {
  static let resizing: [Upgrade] = [
    Upgrade("Upsample", below: .max, renames: true) { node, importer throws(Diagnostic) in
      var scales = try node.takeFloats("scales")
      if let height = try node.takeFloat("height_scale"), let width = try node.takeFloat("width_scale") {
        scales = [1, 1, height, width]
      }
      if let scales {
        node.setOperand(1, importer.constant(try Tensor(TensorType(.f32, [scales.count]), scales)))
      }
      node.op = "Resize"
      try toScales(&node, importer)
    },
    Upgrade("Resize", below: 11) { node, importer throws(Diagnostic) in
      try toScales(&node, importer)
    },
    // Exporters write empty tensors for what they leave out.
    Upgrade("Resize", below: .max) { node, importer in
      for index in node.operands.indices.dropFirst()
      where importer.constant(of: node.operands[index])?.count == 0 {
        node.operands[index] = .none
      }
    },
  ]

  /// From (x, scales) to (x, roi, scales), with the rounding that was then implied.
  private static func toScales(_ node: inout PendingNode, _ importer: GraphImporter) throws(Diagnostic) {
    guard node.operands.count == 2 else { return }
    let scales = try present(node, 1)
    node.operands = [node.operands[0], .none, scales]
    if try node.takeString("mode").map({ $0 == "linear" || $0 == "bilinear" }) ?? false {
      node.set("mode", .string("linear"))
    } else {
      node.set("mode", .string("nearest"))
    }
    node.set("coordinate_transformation_mode", .string("asymmetric"))
    // Down, the nearest sample was the next one.
    let known = importer.constant(of: scales)
    let isShrinking = known?.element == .f32 && known?.floatElements().contains { $0 < 1 } == true
    if isShrinking, known?.floatElements().contains(where: { $0 > 1 }) == true {
      throw Diagnostic(.unsupportedModel, "Resize of opset 10 that grows one dimension and shrinks another")
    }
    node.set("nearest_mode", .string(isShrinking ? "ceil" : "floor"))
  }
}
