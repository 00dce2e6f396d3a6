import GraphIR
import ONNX
import Operators
import Support
import Tensors
import Testing

/// Branches whose choice follows from shapes.
struct BranchTests {
  private func graphAttribute(
    _ name: String, _ build: @escaping (inout WireWriter) -> Void
  ) -> (inout WireWriter) -> Void {
    {
      $0.text(1, name)
      $0.message(6, build)
      $0.varint(20, 5)
    }
  }

  /// y = x without its last dimension where that is 1, else x; the choice is made in a branch inside a branch.
  private var bytes: [UInt8] {
    ModelWriter.model { graph in
      graph.input("x", ["n", "length"])
      graph.int64s("last", [-1])
      graph.int64s("one", [1])
      graph.node("Shape", ["x"], ["shape"])
      graph.node("Gather", ["shape", "last"], ["extent"])
      graph.node("Equal", ["extent", "one"], ["isOne"])
      let squeeze = graphAttribute("then_branch") {
        $0.node("Squeeze", ["x", "last"], ["squeezed"])
        $0.output("squeezed")
      }
      let keep = graphAttribute("else_branch") {
        $0.node("Identity", ["x"], ["kept"])
        $0.output("kept")
      }
      let inner = graphAttribute("then_branch") {
        $0.node("If", ["isOne"], ["inside"], [squeeze, keep])
        $0.output("inside")
      }
      let other = graphAttribute("else_branch") {
        $0.node("Identity", ["x"], ["outside"])
        $0.output("outside")
      }
      graph.node("Shape", ["x"], ["again"])
      graph.node("Size", ["again"], ["rank"])
      graph.int64s("two", [2])
      graph.node("Equal", ["rank", "two"], ["isMatrix"])
      graph.node("If", ["isMatrix"], ["y"], [inner, other])
      graph.output("y")
    }
  }

  private func outcome(_ options: ImportOptions) -> String {
    do {
      let graph = try ModelWriter.importing(bytes, options: options).graph
      return graph.values[graph.outputs[0]].type.text
    } catch { return error.items.map { "\($0)" }.joined() }
  }

  @Test func shapesOfDataDecide() {
    let unknown = outcome(ImportOptions())
    #expect(unknown.contains("the condition decides between f32[n] and f32[n,length]"), "\(unknown)")
    #expect(unknown.contains("--dim name=extent"))
    #expect(outcome(ImportOptions(dimensions: ["n": 3, "length": 5])) == "f32[3,5]")
    #expect(outcome(ImportOptions(inputShapes: ["x": [3, 5]])) == "f32[3,5]")
    #expect(outcome(ImportOptions(inputShapes: ["x": [3, 1]])) == "f32[3]")
    #expect(outcome(ImportOptions(inputShapes: ["x": [7, 3, 1]])) == "f32[3]")
    #expect(outcome(ImportOptions(dimensions: ["length": 1], inputShapes: ["x": [3, 5]])) == "f32[3]")
    #expect(outcome(ImportOptions(inputShapes: ["x": [3]])) == unknown)
  }

  @Test func bothBranchesRun() throws {
    for extent in [1, 2] {
      let shape = [3, extent]
      let graph = try ModelWriter.importing(bytes, options: ImportOptions(inputShapes: ["x": shape])).graph
      #expect(graph.verify() == [] && OperatorSet.standard.check(graph) == [])
      let x = try Tensor(TensorType(.f32, shape), (0..<(3 * extent)).map { Float($0) })
      let values = try OperatorSet.standard.evaluate(graph, [x])
      #expect(values[graph.outputs[0]]?.shape == (extent == 1 ? [3] : [3, 2]))
    }
  }
}
