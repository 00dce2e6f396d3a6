import Foundation
import GraphIR
import ONNX
import Operators
import Support
import Tensors
import TestSupport
import Testing

/// Models that furc reads, and what becomes of them.
@Suite struct ImportTests {
  @Test func importsTheDigitsModel() throws {
    let model = try ONNXImporter.importModel(path: ModelWriter.sample("digits_cnn/digits_cnn.onnx").path)
    #expect(model.opset == 17)
    #expect(model.irVersion == 8)
    #expect(model.warnings.isEmpty)
    #expect(model.graph.verify().isEmpty)
    #expect(OperatorSet.standard.check(model.graph).isEmpty)
    let input = try #require(model.graph.inputs.first)
    #expect(model.graph.values[input].name == "image")
    #expect(model.graph.values[input].type == ValueType(.f32, [1, 1, 8, 8]))
    let output = try #require(model.graph.outputs.first)
    #expect(model.graph.values[output].name == "probabilities")
    #expect(model.graph.values[output].type == ValueType(.f32, [1, 10]))
    #expect(model.graph.order.allSatisfy { model.graph.nodes[$0].sources.count == 1 })
    #expect(try Graph(text: model.graph.text, constants: model.graph.constantPool) == model.graph)
  }

  /// An unsorted graph keeps the file's order wherever it is one, and each node its place in the file.
  @Test func sortsNodes() throws {
    let model = try ModelWriter.importing(
      ModelWriter.model {
        $0.input("x", [2])
        $0.node("Relu", ["b"], ["y"], name: "last")
        $0.node("Relu", ["x"], ["a"], name: "first")
        $0.node("Relu", ["a"], ["b"], name: "second")
        $0.output("y", [2])
      })
    #expect(model.graph.order.map { model.graph.nodes[$0].name } == ["first", "second", "last"])
    #expect(model.graph.order.map { model.graph.nodes[$0].sources } == [[1], [2], [0]])
  }

  /// Before IR version 4 initializers had to be inputs too.
  @Test func initializersAreNoInputs() throws {
    let model = try ModelWriter.importing(
      ModelWriter.model(ir: 3, opset: 7) {
        $0.input("x", [2])
        $0.input("w", [2])
        $0.floats("w", [2], [1, 2])
        $0.node("Add", ["x", "w"], ["y"])
        $0.output("y", [2])
      })
    #expect(model.graph.inputs.map { model.graph.values[$0].name } == ["x"])
    let constant = try #require(model.graph.constants.first)
    #expect(model.graph.values[constant].constant?.floatElements() == [1, 2])
  }

  @Test func fixesDimensions() throws {
    let bytes = ModelWriter.model {
      $0.input("x", ["n", "length", 3])
      $0.node("Relu", ["x"], ["y"])
      $0.output("y", ["n", "length", 3])
    }
    func type(_ options: ImportOptions) throws -> String {
      let graph = try ModelWriter.importing(bytes, options: options).graph
      return graph.values[graph.outputs[0]].type.text
    }
    #expect(try type(ImportOptions()) == "f32[n,length,3]")
    #expect(try type(ImportOptions(dimensions: ["length": 5])) == "f32[n,5,3]")
    #expect(try type(ImportOptions(dimensions: ["length": 5], batch: 4)) == "f32[4,5,3]")
    let refusal = ModelWriter.refusal(bytes, options: ImportOptions(dimensions: ["width": 5]))
    #expect(refusal.map(\.kind) == [.unknownDimension])
    #expect(refusal.first?.kind.exitStatus == 64)
    #expect(refusal.first?.message.contains("n, length") == true)
  }

  @Test func inlinesFunctions() throws {
    let model = try ModelWriter.importing(
      ModelWriter.model(
        functions: [
          {
            $0.text(1, "Twice")
            $0.text(10, "own")
            $0.text(4, "a")
            $0.text(5, "c")
            $0.message(9) { $0.varint(2, 17) }
            for (from, to) in [("a", "b"), ("b", "c")] {
              $0.message(7) {
                $0.text(1, from)
                $0.text(2, to)
                $0.text(4, "Relu")
              }
            }
          }
        ], domains: [("own", 1)]
      ) {
        $0.input("x", [2])
        $0.node("Twice", ["x"], ["y"], name: "f", domain: "own")
        $0.node("Twice", ["y"], ["z"], name: "g", domain: "own")
        $0.output("z", [2])
      })
    #expect(model.graph.order.map { model.graph.nodes[$0].op } == ["Relu", "Relu", "Relu", "Relu"])
    #expect(model.graph.order.map { model.graph.nodes[$0].sources } == [[0], [0], [1], [1]])
  }

  /// All constants that a node can be.
  @Test func constantNodes() throws {
    let model = try ModelWriter.importing(
      ModelWriter.model {
        $0.node("Constant", [], ["a"], [attribute("value_float", float: 2)])
        $0.node("Constant", [], ["b"], [attribute("value_ints", ints: [3, -1])])
        $0.node(
          "Constant", [], ["c"],
          [
            {
              $0.text(1, "value")
              $0.message(5) {
                $0.varint(2, 1)
                $0.varint(1, 1)
                $0.float(4, 7)
              }
              $0.varint(20, 4)
            }
          ])
        for name in ["a", "b", "c"] { $0.output(name) }
      })
    let tensors = model.graph.outputs.map { model.graph.values[$0].constant }
    #expect(tensors[0] == (try Tensor(TensorType(.f32, []), [Float(2)])))
    #expect(tensors[1] == (try Tensor(TensorType(.i64, [2]), [Int64(3), -1])))
    #expect(tensors[2] == (try Tensor(TensorType(.f32, [1]), [Float(7)])))
  }

  /// Models of other tools, where they are.
  @Test(arguments: ["resnet8_fp32", "resnet8_int8_qdq"])
  func importsModelsOfOthers(_ name: String) throws {
    let folder = ProcessInfo.processInfo.environment["FURC_MODELS"] ?? "/nonexistent"
    let path = "\(folder)/ic_resnet8/\(name).onnx"
    guard FileManager.default.fileExists(atPath: path) else {
      print("skipped: \(path) is absent")
      return
    }
    let model = try ONNXImporter.importModel(path: path)
    #expect(OperatorSet.standard.check(model.graph).isEmpty)
  }
}
