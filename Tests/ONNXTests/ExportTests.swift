import Foundation
import GraphIR
import ONNX
import Operators
import Support
import Tensors
import Testing

/// Graphs written as models and read back.
@Suite struct ExportTests {
  private static func roundTrip(_ graph: Graph) throws -> Graph {
    try ModelWriter.importing(try ONNXExporter.export(graph)).graph
  }

  @Test func digitsRoundTrip() throws {
    let graph = try ONNXImporter.importModel(path: ModelWriter.sample("digits_cnn/digits_cnn.onnx").path)
      .graph
    let first = try Self.roundTrip(graph)
    // Constants without a name get one, so the second round is the fixed point.
    let nodes = { (graph: Graph) in graph.order.map { graph.nodes[$0] } }
    #expect(nodes(first).map(\.op) == nodes(graph).map(\.op))
    #expect(nodes(first).map(\.name) == nodes(graph).map(\.name))
    #expect(nodes(first).map(\.attributes) == nodes(graph).map(\.attributes))
    #expect(first.values.ids.map { first.values[$0].type } == graph.values.ids.map { graph.values[$0].type })
    let second = try Self.roundTrip(first)
    #expect(second == first, "the graph changes")
    let bytes = try ONNXExporter.export(first)
    #expect(try ONNXExporter.export(graph) == bytes, "the bytes change")
  }

  /// Inputs and constants as outputs, one value twice, and equal names.
  @Test func everyOutputIsAResult() throws {
    var builder = GraphBuilder(name: "g")
    let x = builder.input("x", ValueType(.f32, [2]))
    let c = builder.constant(try Tensor(TensorType(.i4, [3]), [Int8(-8), 7, 1]))
    let y = builder.node(Node("Relu"), [x], ValueType(.f32, [2]))
    let graph = try Self.roundTrip(builder.finish(returning: [x, c, y, y]))
    #expect(graph.order.map { graph.nodes[$0].op } == ["Relu", "Identity", "Identity", "Identity"])
    #expect(graph.outputs.count == 4)
    #expect(
      graph.constants.map { graph.values[$0].constant } == [
        try Tensor(TensorType(.i4, [3]), [Int8(-8), 7, 1])
      ])
  }

  @Test func quantizedValuesAreRefused() {
    var builder = GraphBuilder(name: "g")
    let x = builder.input("x", ValueType(.i8, [2]), quantization: Quantization(scale: 0.5))
    let graph = builder.finish(returning: [x])
    do {
      _ = try ONNXExporter.export(graph)
      Issue.record("a quantized value was exported")
    } catch {
      #expect(error.kind == .unsupportedModel)
    }
  }
}
