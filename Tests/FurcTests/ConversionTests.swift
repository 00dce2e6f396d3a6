import Furc
import GraphIR
import ONNX
import Support
import Tensors
import Testing

/// A model with f16 at both ends: y = f16(f32(x) · w).
struct ConversionTests {
  private static func model() throws -> String {
    var builder = GraphBuilder(name: "halves")
    let x = builder.input("x", ValueType(.f16, [1, 32]))
    let w = builder.constant(
      try Tensor(TensorType(.f32, [32, 16]), (0..<512).map { Float($0 % 13) / 13 - 0.4 }), name: "w")
    let wide = builder.node(
      Node("Cast", name: "widen", [Attribute("to", .int(1))]), [x], ValueType(.f32, [1, 32]))
    let product = builder.node(Node("MatMul", name: "product"), [wide, w], ValueType(.f32, [1, 16]))
    let y = builder.node(
      Node("Cast", name: "narrow", [Attribute("to", .int(10))]), [product],
      results: [Value(name: "y", ValueType(.f16, [1, 16]))])
    let path = Files.path("halves.onnx")
    try ONNXExporter.export(builder.finish(returning: y), to: path)
    return path
  }

  /// What the host quantizes it casts too, so that bytes cross the link, and the device does not read halves.
  @Test func castsGoWithTheConversionBesideThem() throws {
    let model = try Self.model()
    let why = furc(["why", model, "--target", "warboy", "--json"])
    #expect(why.status == 0, "\(why.messages)")
    let items = why.object["nodes"] as? [[String: Any]] ?? []
    let places = items.filter { $0["op"] as? String == "Cast" }.compactMap { $0["place"] as? String }
    #expect(places.count { $0 == "conversion" } == 2 && !places.contains("device"), "\(why.data)")
    let verify = furc(["verify", model, "--target", "warboy", "--json"])
    #expect(verify.object["bit_exact"] as? Bool == true, "\(verify.messages)")
    let binary = Files.path("halves.fur")
    #expect(furc(["compile", model, "--target", "warboy", "-o", binary, "--json"]).status == 0)
    #expect(furc(["inspect", binary]).data.contains("i8[1,32]"), "\(furc(["inspect", binary]).data)")
  }
}
