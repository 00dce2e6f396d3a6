import GraphIR
import Operators
import Passes
import Support
import Tensors
import Testing

/// From f16 to f32: types, the interface, and values that no rounding separates.
struct WidenHalvesTests {
  /// x → Add of a constant ("a") → Cast to f32 and back → Relu ("y"); the constant is "c", an output, too.
  private func graph() throws -> Graph {
    var builder = GraphBuilder(name: "g")
    let x = builder.input("x", ValueType(.f16, [1, 3]))
    let one = try Tensor(TensorType(.f32, [3]), [1, 2, 3] as [Float]).converted(to: .f16)
    let c = builder.constant(one, name: "c")
    let half = ValueType(.f16, [1, 3])
    let a = builder.node(Node("Add"), [x, c], results: [Value(name: "a", half)])[0]
    let wide = builder.node(Node("Cast", [Attribute("to", .int(1))]), [a], ValueType(.f32, [1, 3]))
    let back = builder.node(Node("Cast", [Attribute("to", .int(10))]), [wide], half)
    let y = builder.node(Node("Relu"), [back], results: [Value(name: "y", half)])[0]
    return builder.finish(returning: [y, c])
  }

  @Test func innerValuesAreWideAndTheInterfaceStays() throws {
    let graph = try graph()
    var widened = graph
    _ = try PassManager(PassTable([.widenHalves])).run(on: &widened)
    #expect(widened.inputs.map { widened.values[$0].type.element } == [.f16])
    #expect(widened.outputs.map { widened.values[$0].type.element } == [.f16, .f16])
    #expect(widened.outputs.map { widened.values[$0].name } == ["y", "c"])
    let inner = widened.order.flatMap { widened.results(of: $0) }.filter { !widened.outputs.contains($0) }
    #expect(inner.allSatisfy { widened.values[$0].type.element == .f32 })

    let x = try Tensor(TensorType(.f32, [1, 3]), [-4, 0.5, 7] as [Float]).converted(to: .f16)
    let (before, after) = (
      try OperatorSet.standard.evaluate(graph, [x]), try OperatorSet.standard.evaluate(widened, [x])
    )
    #expect(graph.outputs.map { before[$0] } == widened.outputs.map { after[$0] })
  }

  @Test func wideGraphsStayAsTheyAre() throws {
    var builder = GraphBuilder(name: "g")
    let x = builder.input("x", ValueType(.f32, [2]))
    let y = builder.node(Node("Relu"), [x], results: [Value(name: "y", ValueType(.f32, [2]))])[0]
    var graph = builder.finish(returning: [y])
    let reports = try PassManager(PassTable([.widenHalves])).run(on: &graph)
    #expect(reports[0].changes == 0)
  }
}
