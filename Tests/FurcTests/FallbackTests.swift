import Foundation
import Furc
import GraphIR
import ONNX
import Support
import Tensors
import Testing

/// A model of which the target does not run every node.
@Suite(.serialized) struct FallbackTests {
  /// The path of a model: y = x · w, then the columns of y that an input of 64-bit indices names, twice as large.
  static func model() throws -> String { try written.get() }

  /// Written once, since suites that read it run at the same time.
  private static let written = Result { try write() }

  private static func write() throws -> String {
    var builder = GraphBuilder(name: "chosen")
    let x = builder.input("x", ValueType(.f32, [1, 16]))
    let index = builder.input("index", ValueType(.i64, [3]))
    let weights = (0..<256).map { Float($0 % 13) / 13 - 0.4 }
    let w = builder.constant(try Tensor(TensorType(.f32, [16, 16]), weights), name: "w")
    let two = builder.constant(try Tensor(TensorType(.f32, []), [Float(2)]), name: "two")
    let y = builder.node(Node("MatMul", name: "product"), [x, w], ValueType(.f32, [1, 16]))
    let some = builder.node(
      Node("Gather", name: "choice", [Attribute("axis", .int(1))]), [y, index], ValueType(.f32, [1, 3]))
    let out = builder.node(
      Node("Mul", name: "double"), [some, two],
      results: [Value(name: "out", ValueType(.f32, [1, 3]))])
    let path = Files.path("chosen.onnx")
    try ONNXExporter.export(builder.finish(returning: out), to: path)
    return path
  }

  @Test func refusedNodesRunOnTheHostWithTheirReason() throws {
    let model = try Self.model()
    let binary = Files.path("chosen.fur")
    let compile = furc(["compile", model, "--target", "warboy", "-o", binary, "--json"])
    #expect(compile.status == 0, "\(compile.messages)")
    #expect(compile.messages.contains("[F0902]"))
    #expect(compile.object["calibration"] as? String == "synthetic")
    let nodes = compile.object["host_nodes"] as? [[String: Any]] ?? []
    #expect(nodes.contains { $0["op"] as? String == "Gather" && $0["reason"] as? String != "" })
    let verify = furc(["verify", model, "--target", "warboy", "--json"])
    #expect(verify.status == 0, "\(verify.messages)")
    #expect(verify.object["bit_exact"] as? Bool == true)
    let inspect = furc(["inspect", binary])
    #expect(inspect.data.contains("step device") && inspect.data.contains("step host"))
    #expect(furc(["run", binary]).status == 0)
  }

  @Test func withoutFallbackTheModelIsRefused() throws {
    let outcome = furc(["compile", try Self.model(), "--target", "warboy", "--no-fallback"])
    #expect(outcome.status == 69)
    #expect(outcome.diagnostic?.contains("Gather 'choice'") == true, "\(outcome.messages)")
  }

  @Test func everyRefusedNodeIsReported() throws {
    var builder = GraphBuilder(name: "chosen twice")
    let x = builder.input("x", ValueType(.f32, [4, 4]))
    let index = builder.input("index", ValueType(.i64, [3]))
    let rows = builder.node(Node("Gather", name: "rows"), [x, index], ValueType(.f32, [3, 4]))
    let columns = builder.node(
      Node("Gather", name: "columns", [Attribute("axis", .int(1))]), [rows, index],
      results: [Value(name: "out", ValueType(.f32, [3, 3]))])
    let path = Files.path("chosen-twice.onnx")
    try ONNXExporter.export(builder.finish(returning: columns), to: path)
    let outcome = furc(["compile", path, "--target", "warboy", "--no-fallback"])
    #expect(outcome.status == 69)
    let errors = outcome.messages.split(separator: "\n").filter { $0.hasPrefix("error[F") }
    #expect(errors.count == 2 && errors[0].contains("'rows'") && errors[1].contains("'columns'"))
  }

  @Test func resultsAreThoseOfTheExecutor() throws {
    let model = try Self.model()
    let binary = Files.path("chosen.fur")
    #expect(furc(["compile", model, "--target", "warboy", "-o", binary]).status == 0)
    var writer = NPZWriter()
    try writer.add("x", try Tensor(TensorType(.f32, [1, 16]), (0..<16).map { Float($0) / 16 }))
    try writer.add("index", try Tensor(TensorType(.i64, [3]), [Int64(0), 7, -1]))
    let inputs = try Files.write("chosen.npz", writer.finish())
    var results: [[Double]] = []
    for file in [model, binary] {
      let output = Files.path("chosen-out.npz")
      #expect(furc(["run", file, "--input", inputs, "-o", output]).status == 0)
      results.append(try NPZArchive(output).tensor(named: "out").doubleElements())
    }
    let scale = results[0].map(abs).max() ?? 0
    for (float, quantized) in zip(results[0], results[1]) {
      #expect(abs(float - quantized) < 0.05 * scale + 0.05)
    }
    writer = NPZWriter()
    try writer.add("x", try Tensor(TensorType(.f32, [1, 16])))
    try writer.add("index", try Tensor(TensorType(.i64, [3]), [Int64(0), 7, 16]))
    let outside = try Files.write("outside.npz", writer.finish())
    let outcome = furc(["run", binary, "--input", outside])
    #expect(outcome.status == 65 && outcome.diagnostic?.contains("[F0403]") == true, "\(outcome.messages)")
  }
}
