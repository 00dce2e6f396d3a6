import Executor
import Foundation
import GraphIR
import ONNX
import Operators
import Passes
import Support
import Tensors
import TestSupport
import Testing

struct GraphExecutorTests {
  static let folder =
    URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent().path + "/Samples/models/digits_cnn/"

  static func digits(passes: Bool) throws -> (graph: Graph, cases: NPZArchive) {
    var graph = try ONNXImporter.importModel(path: folder + "digits_cnn.onnx").graph
    if passes { _ = try PassManager().run(on: &graph) }
    return (graph, try NPZArchive(folder + "digits_cnn.case.npz"))
  }

  @Test(arguments: [false, true])
  func `both modes give the same bytes for every value of a model`(passes: Bool) throws {
    let (graph, cases) = try Self.digits(passes: passes)
    let names = graph.order.flatMap { node in graph.results(of: node).map { graph.values[$0].name } }
      .filter { !$0.isEmpty }
    let reference = GraphExecutor(graph, mode: .reference)
    for options in KernelExecutorTests.options {
      let fast = GraphExecutor(graph, mode: .fast, options: options)
      for number in 0..<2 {
        let inputs = ["image": try cases.tensor(named: "in\(number).image")]
        let expected = try reference.run(inputs, keeping: names)
        let dumped = try fast.run(inputs, keeping: names)
        for (a, b) in zip(expected.outputs + expected.kept, dumped.outputs + dumped.kept) where a != b {
          Issue.record("\(a.name), \(options): \(difference(b.tensor, a.tensor))")
        }
        let plain = try fast.run(inputs)
        #expect(plain.outputs.map(\.tensor) == expected.outputs.map(\.tensor))
        let known = try cases.tensor(named: "out\(number).probabilities").floatElements()
        for (found, right) in zip(plain.outputs[0].tensor.floatElements(), known) {
          #expect(abs(found - right) < 1e-4)
        }
      }
    }
  }

  /// x[batch, 6] · w, reshaped by its own shape to [batch · 2, 2], plus b.
  static func symbolic() throws -> Graph {
    var builder = GraphBuilder(name: "symbolic")
    func add(_ node: Node, _ operands: [ValueID], _ name: String) throws -> ValueID {
      let types = operands.map { id in
        OperandType(builder.graph.values[id].type, constant: builder.graph.constant(id))
      }
      let type = try OperatorSet.standard.infer(node, types)[0]
      return builder.node(node, operands, results: [Value(name: name, type)])[0]
    }
    let x = builder.input("x", ValueType(.f32, [.symbol("batch"), 6]))
    let y = builder.input("y", ValueType(.f32, [.symbol("batch"), 4]))
    let w = builder.constant(
      try Tensor(TensorType(.f32, [6, 4]), (0..<24).map { Float($0) / 7 - 1 }), name: "w")
    let product = try add(Node("MatMul"), [x, w], "product")
    let sum = try add(Node("Add"), [product, y], "sum")
    let shape = try add(Node("Shape"), [sum], "shape")
    let index = builder.constant(try Tensor(TensorType(.i64, [1]), [Int64(0)]))
    let batch = try add(Node("Gather"), [shape, index], "batch")
    let rest = builder.constant(try Tensor(TensorType(.i64, [2]), [Int64(2), 2]))
    let target = try add(Node("Concat", [Attribute("axis", .int(0))]), [batch, rest], "target")
    let reshaped = try add(Node("Reshape"), [sum, target], "reshaped")
    let result = try add(Node("Softmax", [Attribute("axis", .int(-1))]), [reshaped], "result")
    return builder.finish(returning: [result])
  }

  /// tanh(x · w + x · w) in f64, whose kernels are evaluations.
  @Test func `doubles keep their precision in both modes`() throws {
    let text = """
      graph "doubles" {
        %0 "x": f64[1,2] = input
        %1 "w": f64[2,2] = constant [0.1, 0.2, 0.3, 0.4]
        %2 "p": f64[1,2] = MatMul (%0, %1)
        %3 "s": f64[1,2] = Add (%2, %2)
        %4 "y": f64[1,2] = Tanh (%3)
        return %4
      }
      """
    let graph = try Graph(text: text)
    let x = try Tensor(TensorType(.f64, [1, 2]), [0.5, -0.25])
    for mode in GraphExecutor.Mode.allCases {
      let y = try #require(try GraphExecutor(graph, mode: mode).run(["x": x])["y"])
      let wanted = [0.05 - 0.075, 0.1 - 0.1].map { tanh(2 * $0) }
      for (found, right) in zip(y.doubleElements(), wanted) { #expect(abs(found - right) < 1e-15) }
    }
  }

  static func tensor(_ shape: [Int]) throws -> Tensor {
    let count = shape.reduce(1, *)
    return try Tensor(TensorType(.f32, shape), (0..<count).map { Float($0 * 37 % 19) / 5 - 1.5 })
  }

  @Test func `shapes are bound by the inputs of each run`() throws {
    let graph = try Self.symbolic()
    let fast = GraphExecutor(graph)
    let reference = GraphExecutor(graph, mode: .reference)
    for batch in [1, 3, 1, 20, 0] {
      let inputs = ["x": try Self.tensor([batch, 6]), "y": try Self.tensor([batch, 4])]
      let names = ["product", "target", "reshaped"]
      let found = try fast.run(inputs, keeping: names)
      let expected = try reference.run(inputs, keeping: names)
      #expect(found["result"]?.shape == [batch, 2, 2])
      for (a, b) in zip(found.outputs + found.kept, expected.outputs + expected.kept) {
        #expect(a == b, "batch \(batch)")
      }
    }
  }

  static func kind(_ executor: GraphExecutor, _ inputs: [String: Tensor], _ names: [String] = []) -> String {
    do {
      _ = try executor.run(inputs, keeping: names)
      return "no error"
    } catch { return error.kind.exitStatus == 65 ? error.message : "status \(error.kind.exitStatus)" }
  }

  @Test(arguments: GraphExecutor.Mode.allCases)
  func `wrong inputs are named`(mode: GraphExecutor.Mode) throws {
    let executor = GraphExecutor(try Self.symbolic(), mode: mode)
    let (x, y) = (try Self.tensor([2, 6]), try Self.tensor([2, 4]))
    #expect(Self.kind(executor, ["x": x, "y": y]) == "no error")
    #expect(Self.kind(executor, ["x": x]) == "no data is given for 'y'")
    #expect(Self.kind(executor, ["x": x, "y": y, "z": y]) == "the graph has no input 'z'")
    #expect(Self.kind(executor, ["x": y, "y": y]) == "input 'x' is f32[batch,6], given is f32[2,4]")
    #expect(
      Self.kind(executor, ["x": x, "y": try Self.tensor([3, 4])])
        == "'batch' is 2 in input 'x' and 3 in 'y'")
    #expect(Self.kind(executor, ["x": x, "y": y], ["q"]) == "the graph has no value 'q'")
  }
}
