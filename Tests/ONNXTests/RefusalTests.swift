import Foundation
import GraphIR
import ONNX
import Support
import Tensors
import TestSupport
import Testing

/// Models that break the rules: always a sentence, never a trap.
@Suite struct RefusalTests {
  private static func only(_ bytes: [UInt8]) throws -> Diagnostic {
    let refusal = ModelWriter.refusal(bytes)
    try #require(refusal.count == 1, "\(refusal)")
    return refusal[0]
  }

  @Test func cyclesAreNamed() throws {
    let refusal = try Self.only(
      ModelWriter.model {
        $0.input("x", [2])
        $0.node("Relu", ["x"], ["a"], name: "fine")
        $0.node("Add", ["a", "c"], ["b"], name: "left")
        $0.node("Relu", ["b"], ["c"], name: "right")
        $0.output("c")
      })
    #expect(refusal.kind == .invalidModel)
    #expect(refusal.message.contains("'left'") && refusal.message.contains("'right'"))
    #expect(!refusal.message.contains("'fine'"))
  }

  @Test func definitionsAreUnique() throws {
    let refusal = try Self.only(
      ModelWriter.model {
        $0.input("x", [2])
        $0.node("Relu", ["x"], ["y"])
        $0.node("Relu", ["x"], ["y"], name: "again")
        $0.output("y")
      })
    #expect(refusal.kind == .invalidModel)
    #expect(refusal.description.contains("'again'"))
    let inputs = try Self.only(
      ModelWriter.model {
        $0.input("x", [2])
        $0.input("x", [2])
        $0.output("x")
      })
    #expect(inputs.kind == .invalidModel)
  }

  @Test func operandsAreDefined() throws {
    let refusal = try Self.only(
      ModelWriter.model {
        $0.input("x", [2])
        $0.node("Add", ["x", "nowhere"], ["y"], name: "sum")
        $0.node("Relu", ["y"], ["z"])
        $0.output("z")
      })
    #expect(refusal.kind == .invalidModel)
    #expect(refusal.description.contains("'nowhere'") && refusal.description.contains("'sum'"))
  }

  @Test func unknownOperatorsComeTogether() {
    let refusal = ModelWriter.refusal(
      ModelWriter.model(domains: [("finn", 1)]) {
        $0.input("x", [2])
        $0.node("Quant", ["x"], ["a"], name: "q0", domain: "finn")
        $0.node("Relu", ["a"], ["b"])
        $0.node("Frobnicate", ["b"], ["c"], name: "f")
        $0.output("c")
      })
    #expect(refusal.map(\.kind) == [.unknownOperator, .unknownOperator])
    #expect(
      refusal.map(\.location) == [
        .node(index: 0, op: "Quant", name: "q0"), .node(index: 2, op: "Frobnicate", name: "f"),
      ])
    #expect(refusal.first?.message.contains("'finn'") == true)
    #expect(refusal.first?.kind.exitStatus == 69)
  }

  @Test func versionsAreChecked() throws {
    func model(ir: Int, opset: Int) -> [UInt8] {
      ModelWriter.model(ir: ir, opset: opset) {
        $0.input("x", [2])
        $0.node("Relu", ["x"], ["y"])
        $0.output("y")
      }
    }
    #expect(ModelWriter.refusal(model(ir: 3, opset: 7)).isEmpty)
    #expect(ModelWriter.refusal(model(ir: 10, opset: 21)).isEmpty)
    #expect(try Self.only(model(ir: 2, opset: 7)).kind == .unsupportedModel)
    #expect(try Self.only(model(ir: 99, opset: 7)).kind == .unsupportedModel)
    #expect(try Self.only(model(ir: 8, opset: 999)).kind == .unsupportedModel)
    #expect(try Self.only([]).kind == .malformedModel)
    #expect(try Self.only(Array("not a model at all".utf8)).kind == .malformedModel)
  }

  /// 10^12 elements of nothing.
  @Test func hugeShapesAllocateNothing() throws {
    let million = 1_000_000
    let initializer = try Self.only(
      ModelWriter.model {
        $0.initializer("w", [million, million]) { $0.bytes(9, [0, 0, 0, 0]) }
        $0.output("w")
      })
    #expect(initializer.kind == .invalidModel)
    let empty = try Self.only(
      ModelWriter.model {
        $0.initializer("w", [million, million], type: 7)
        $0.output("w")
      })
    #expect(empty.kind == .invalidModel)
    let input = try Self.only(
      ModelWriter.model {
        $0.input("x", [.fixed(million), .fixed(million)])
        $0.output("x")
      })
    #expect(input.kind == .importLimit)
    let overflow = try Self.only(
      ModelWriter.model {
        $0.initializer("w", [.max, .max])
        $0.output("w")
      })
    #expect(overflow.kind == .sizeOverflow)
    let negative = try Self.only(
      ModelWriter.model {
        $0.initializer("w", [-1])
        $0.output("w")
      })
    #expect(negative.kind == .invalidModel)
  }

  /// Constants of a wrong type reach inference, never an evaluator.
  @Test func constantOperandsOfAWrongType() throws {
    let refusal = try Self.only(
      ModelWriter.model {
        $0.floats("x", [2], [1, 2])
        $0.initializer("zero", [], type: 3) { $0.bytes(9, [0]) }
        $0.node("QuantizeLinear", ["x", "zero", "zero"], ["y"])
        $0.output("y", type: 3)
      })
    #expect(refusal.kind == .invalidOperand)
  }

  @Test func missingFiles() {
    do {
      _ = try ONNXImporter.importModel(path: "/no/such/model.onnx")
      Issue.record("a missing file was read")
    } catch {
      #expect(error.exitStatus == 66)
    }
  }

  private static let digits: [UInt8] = {
    let data = try? Data(contentsOf: ModelWriter.sample("digits_cnn/digits_cnn.onnx"))
    return data.map { [UInt8]($0) } ?? []
  }()

  private static let statuses: Set<Int32> = [65, 66, 69]

  @Test func truncatedModels() throws {
    try #require(Self.digits.count > 300)
    for step in 0..<300 {
      let count = Self.digits.count * step / 300
      let refusal = ModelWriter.refusal(Array(Self.digits.prefix(count)))
      #expect(!refusal.isEmpty, "\(count) bytes of \(Self.digits.count) pass")
      #expect(refusal.allSatisfy { Self.statuses.contains($0.kind.exitStatus) }, "\(refusal)")
    }
  }

  /// Two thousand damaged models, half of them outside the weights.
  @Test(arguments: Seed.all.prefix(1))
  func damagedModels(_ seed: Seed) throws {
    try #require(!Self.digits.isEmpty)
    var random = seed.random
    var refused = 0
    for round in 0..<2000 {
      var bytes = Self.digits
      let isStructure = round % 2 == 0
      for _ in 0..<Int.random(in: 1...3, using: &random) {
        let range = isStructure ? 0..<min(4000, bytes.count) : 0..<bytes.count
        bytes[Int.random(in: range, using: &random)] ^= 1 << UInt8.random(in: 0..<8, using: &random)
      }
      let refusal = ModelWriter.refusal(bytes)
      if !refusal.isEmpty { refused += 1 }
      #expect(refusal.allSatisfy { Self.statuses.contains($0.kind.exitStatus) }, "\(refusal)")
    }
    #expect(refused > 500)
  }
}
