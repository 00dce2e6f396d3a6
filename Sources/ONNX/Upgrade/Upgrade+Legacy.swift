import GraphIR
import Support
import Tensors

/// Operators that ONNX renamed or removed, and small changes of names.
extension Upgrade {
  static let legacy: [Upgrade] =
    [
      Upgrade("Scatter", below: .max, renames: true) { node, _ in node.op = "ScatterElements" },
      Upgrade("GridSample", below: 20) { node, _ throws(Diagnostic) in
        let modes = ["bilinear": "linear", "bicubic": "cubic"]
        if let mode = try node.takeString("mode") { node.set("mode", .string(modes[mode] ?? mode)) }
      },
      // x[:, :, top : height - bottom, left : width - right]
      Upgrade("Crop", below: 10, renames: true) { node, importer throws(Diagnostic) in
        let border = try node.takeInts("border") ?? [0, 0, 0, 0]
        let scale = try node.takeInts("scale")
        guard border.count == 4, border.allSatisfy({ (0...Int64(Int32.max)).contains($0) }) else {
          throw Diagnostic(.invalidAttribute, "Crop needs a border of four extents, found \(border)")
        }
        var ends = [border[3], border[2]].map { $0 == 0 ? Int64.max : -$0 }
        if let scale, scale.count == 2, scale.allSatisfy({ (0...Int64(Int32.max)).contains($0) }) {
          ends = [border[1] + scale[0], border[0] + scale[1]]
        }
        node.op = "Slice"
        node.operands = [
          try present(node, 0), try importer.vector([border[1], border[0]]), try importer.vector(ends),
          try importer.vector([2, 3]),
        ]
      },
      Upgrade("ImageScaler", below: 10, renames: true) { node, importer throws(Diagnostic) in
        let scale = try node.takeFloat("scale") ?? 1
        let bias = try node.takeFloats("bias") ?? [0]
        let tensor = try Tensor(TensorType(.f32, [bias.count, 1, 1]), bias)
        try scaleAndAdd(scale, importer.constant(tensor), &node, importer)
      },
      Upgrade("Affine", below: 10, renames: true) { node, importer throws(Diagnostic) in
        let element = importer.type(of: try present(node, 0)).element
        let alpha = try node.takeFloat("alpha") ?? 1
        let beta = try importer.scalar(try node.takeFloat("beta") ?? 0, element)
        try scaleAndAdd(alpha, beta, &node, importer)
      },
      Upgrade("Scale", below: 10, renames: true) { node, importer throws(Diagnostic) in
        let x = try present(node, 0)
        let scale = try node.takeFloat("scale") ?? 1
        node.op = "Mul"
        node.operands = [x, try importer.scalar(scale, importer.type(of: x).element)]
      },
      Upgrade("ScaledTanh", below: 10, renames: true) { node, importer throws(Diagnostic) in
        try around("Tanh", &node, importer)
      },
      Upgrade("ParametricSoftplus", below: 10, renames: true) { node, importer throws(Diagnostic) in
        try around("Softplus", &node, importer)
      },
    ]
    + ["LSTM", "GRU", "RNN"].map { name in
      Upgrade(name, below: 7) { node, _ in _ = node.take("output_sequence") }
    }

  /// scale · x + addend
  private static func scaleAndAdd(
    _ scale: Float, _ addend: ValueID, _ node: inout PendingNode, _ importer: GraphImporter
  ) throws(Diagnostic) {
    let x = try present(node, 0)
    let factor = try importer.scalar(scale, importer.type(of: x).element)
    let product = try importer.helper("Mul", [x, factor], for: node)
    node.op = "Add"
    node.operands = [product, addend]
  }

  /// alpha · f(beta · x)
  private static func around(
    _ function: String, _ node: inout PendingNode, _ importer: GraphImporter
  ) throws(Diagnostic) {
    let x = try present(node, 0)
    let element = importer.type(of: x).element
    let alpha = try importer.scalar(try node.takeFloat("alpha") ?? 1, element)
    let beta = try importer.scalar(try node.takeFloat("beta") ?? 1, element)
    let inner = try importer.helper("Mul", [x, beta], for: node)
    let value = try importer.helper(function, [inner], for: node)
    node.op = "Mul"
    node.operands = [value, alpha]
  }
}
