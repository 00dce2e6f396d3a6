import GraphIR
import ONNX
import Operators
import Support
import Tensors
import Testing

/// Older operator versions in their newest form.
@Suite struct UpgradeTests {
  /// The graph of one node over x, f32 of the given shape, and further constants.
  private static func graph(
    _ op: String, opset: Int, shape: [TestDimension] = [2, 3, 4], _ others: [(String, [Float], [Int])] = [],
    _ attributes: [(inout WireWriter) -> Void] = []
  ) throws -> Graph {
    try ModelWriter.importing(
      ModelWriter.model(ir: 3, opset: opset) {
        $0.input("x", shape)
        for (name, values, dims) in others { $0.floats(name, dims, values) }
        $0.node(op, ["x"] + others.map(\.0), ["y"], attributes)
        $0.output("y")
      }
    ).graph
  }

  private static func ops(_ graph: Graph) -> [String] { graph.order.map { graph.nodes[$0].op } }

  private static func operand(_ index: Int, _ graph: Graph) throws -> Tensor {
    let node = try #require(graph.order.last)
    return try #require(graph.constant(Array(graph.operands(of: node))[index]))
  }

  private static func type(_ graph: Graph) -> ValueType { graph.values[graph.outputs[0]].type }

  @Test func attributesBecomeOperands() throws {
    let reshape = try Self.graph("Reshape", opset: 1, [], [attribute("shape", ints: [6, 4])])
    #expect(try Self.operand(1, reshape).int64Elements() == [6, 4])
    #expect(Self.type(reshape) == ValueType(.f32, [6, 4]))
    let clip = try Self.graph("Clip", opset: 6, [], [attribute("max", float: 6)])
    #expect(try Self.operand(2, clip).floatElements() == [6])
    let clipNode = try #require(clip.order.last)
    #expect(Array(clip.operands(of: clipNode))[1].isNone)
    let squeeze = try Self.graph("Unsqueeze", opset: 11, [], [attribute("axes", ints: [0])])
    #expect(Self.type(squeeze) == ValueType(.f32, [1, 2, 3, 4]))
    let mean = try Self.graph(
      "ReduceMean", opset: 13, [], [attribute("axes", ints: [1]), attribute("keepdims", int: 0)])
    #expect(Self.type(mean) == ValueType(.f32, [2, 4]))
    let slice = try Self.graph(
      "Slice", opset: 9, [],
      [
        attribute("starts", ints: [1]), attribute("ends", ints: [9_223_372_036_854_775_807]),
        attribute("axes", ints: [2]),
      ])
    #expect(Self.type(slice) == ValueType(.f32, [2, 3, 3]))
    let pad = try Self.graph(
      "Pad", opset: 2, [], [attribute("pads", ints: [0, 0, 1, 0, 0, 2]), attribute("value", float: 3)])
    #expect(Self.type(pad) == ValueType(.f32, [2, 3, 7]))
    #expect(try Self.operand(2, pad).floatElements() == [3])
  }

  /// Before opset 13 everything from the axis on was one dimension.
  @Test(arguments: 1...18) func everyOpsetIsRead(opset: Int) throws {
    let graph = try Self.graph("Softmax", opset: opset, shape: [2, 3])
    #expect(Self.ops(graph) == ["Softmax"] && graph.verify() == [])
    let x = try Tensor(TensorType(.f32, [2, 3]), [Float(1), 1, 1, 0, 0, 1000])
    let y = try #require(try OperatorSet.standard.evaluate(graph, [x])[graph.outputs[0]])
    let third: Float = 1 / 3
    #expect(y.floatElements() == [third, third, third, 0, 0, 1])
  }

  @Test func softmaxFlattens() throws {
    #expect(Self.ops(try Self.graph("Softmax", opset: 13)) == ["Softmax"])
    #expect(
      Self.ops(try Self.graph("Softmax", opset: 11, [], [attribute("axis", int: 2)])) == ["Softmax"])
    #expect(Self.ops(try Self.graph("Softmax", opset: 11, shape: [2, 10])) == ["Softmax"])
    #expect(Self.ops(try Self.graph("Softmax", opset: 11, shape: [2, 10, 1, 1])) == ["Softmax"])
    let flat = try Self.graph("Softmax", opset: 11)
    #expect(Self.ops(flat) == ["Flatten", "Softmax", "Reshape"])
    #expect(Self.type(flat) == ValueType(.f32, [2, 3, 4]))
    let dynamic = try Self.graph("Softmax", opset: 11, shape: ["n", 3, 4])
    #expect(Self.ops(dynamic) == ["Flatten", "Softmax", "Shape", "Reshape"])
    #expect(Self.type(dynamic).rank == 3)
  }

  @Test func broadcastingByAxis() throws {
    let add = try Self.graph(
      "Add", opset: 6, [("b", [1, 2, 3], [3])], [attribute("broadcast", int: 1), attribute("axis", int: 1)])
    #expect(try Self.operand(1, add).shape == [3, 1])
    #expect(Self.type(add) == ValueType(.f32, [2, 3, 4]))
  }

  @Test func removedOperators() throws {
    let upsample = try Self.graph(
      "Upsample", opset: 9, shape: [1, 1, 2, 2], [("s", [1, 1, 2, 2], [4])],
      [attribute("mode", string: "nearest")])
    #expect(Self.ops(upsample) == ["Resize"])
    #expect(Self.type(upsample) == ValueType(.f32, [1, 1, 4, 4]))
    let crop = try Self.graph(
      "Crop", opset: 7, shape: [1, 3, 10, 10], [], [attribute("border", ints: [1, 2, 3, 0])])
    #expect(Self.type(crop) == ValueType(.f32, [1, 3, 8, 6]))
    let affine = try Self.graph(
      "Affine", opset: 7, [], [attribute("alpha", float: 2), attribute("beta", float: 1)])
    #expect(Self.ops(affine) == ["Mul", "Add"])
    #expect(
      Self.ops(try Self.graph("Dropout", opset: 7, [], [attribute("ratio", float: 0.5)])) == ["Identity"])
  }
}
