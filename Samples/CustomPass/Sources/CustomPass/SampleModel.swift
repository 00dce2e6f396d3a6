import Furc

/// A small convolutional network with seeded weights, which uses the operator and holds what the pass looks for.
struct SampleModel {
  private var builder = GraphBuilder(name: "custom")
  private var random = SeededRandom(seed: 1)
  private let operators: OperatorSet

  /// The bytes of the ONNX model: `image` f32[1,1,16,16] to `scores` f32[1,10].
  static func onnx(_ operators: OperatorSet) throws(Diagnostic) -> [UInt8] {
    var model = SampleModel(operators)
    var x = model.builder.input("image", ValueType(.f32, [1, 1, 16, 16]))
    for (block, channels) in [(1, [8, 1, 3, 3]), (2, [16, 8, 3, 3])] {
      let weights = try model.weights("w\(block)", channels)
      let bias = try model.constant("b\(block)", [channels[0]], -1...0)
      let padding = Attribute("pads", .ints([1, 1, 1, 1]))
      let window = [Attribute("kernel_shape", .ints([2, 2])), Attribute("strides", .ints([2, 2]))]
      x = try model.layer(Node("Conv", name: "conv\(block)", [padding]), [x, weights, bias])
      x = try model.layer(Node("MaxPool", name: "pool\(block)", window), [x])
      x = try model.layer(Node("Relu", name: "relu\(block)"), [x])
    }
    let epsilon = Attribute("epsilon", .float(1e-5))
    x = try model.layer(Node("GlobalRMSPool", domain: "com.example", name: "energy", [epsilon]), [x])
    x = try model.layer(Node("Flatten", name: "flat"), [x])
    x = try model.layer(Node("MatMul", name: "scores"), [x, try model.weights("w3", [16, 10])])
    return try ONNXExporter.export(model.builder.finish(returning: [x]), operators: operators)
  }

  private init(_ operators: OperatorSet) { self.operators = operators }

  /// A node with one result, which has the node's name and the type that inference finds.
  private mutating func layer(_ node: Node, _ operands: [ValueID]) throws(Diagnostic) -> ValueID {
    let known = operands.map { operand in
      let value = builder.graph.values[operand]
      return OperandType(value.type, constant: value.constant)
    }
    let type = try operators.infer(node, known)[0]
    return builder.node(node, operands, results: [Value(name: node.name, type)])[0]
  }

  private mutating func weights(_ name: String, _ shape: [Int]) throws(Diagnostic) -> ValueID {
    try constant(name, shape, -0.5...0.5)
  }

  private mutating func constant(
    _ name: String, _ shape: [Int], _ range: ClosedRange<Float>
  ) throws(Diagnostic) -> ValueID {
    let values = (0..<shape.reduce(1, *)).map { _ in Float.random(in: range, using: &random) }
    return builder.constant(try Tensor(TensorType(.f32, shape), values), name: name)
  }
}
