import Executor
import GraphIR
import KernelIR
import Operators
import Passes
import Quantization
import Support
import Tensors
import TestSupport
import Testing

struct QuantizingTests {
  private struct Samples: SampleSource {
    let samples: [[String: Tensor]]
    var count: Int { samples.count }
    func sample(_ index: Int) -> [String: Tensor] { samples[index] }
  }

  private func random(_ shape: [Int], _ random: inout SeededRandom, scale: Float = 1) throws -> Tensor {
    let count = shape.reduce(1, *)
    return try Tensor(
      TensorType(.f32, shape), (0..<count).map { _ in Float.random(in: -scale...scale, using: &random) })
  }

  /// x → Conv → Relu ("a") → MaxPool ("p"); Concat of p and Clip(Conv(x)) ("c") → Exp → Sqrt ("e") →
  /// Conv ("y").
  private func network(_ random: inout SeededRandom) throws -> Graph {
    var builder = GraphBuilder(name: "g")
    let x = builder.input("x", ValueType(.f32, [1, 3, 6, 6]))
    let w1 = builder.constant(try self.random([4, 3, 1, 1], &random), name: "w1")
    let b1 = builder.constant(try self.random([4], &random), name: "b1")
    let w2 = builder.constant(try self.random([2, 3, 1, 1], &random), name: "w2")
    let w3 = builder.constant(try self.random([3, 6, 1, 1], &random), name: "w3")
    let low = builder.constant(try Tensor(TensorType(.f32, []), [Float(-0.25)]))
    let high = builder.constant(try Tensor(TensorType(.f32, []), [Float(0.5)]))
    func node(
      _ op: String, _ attributes: [Attribute] = [], _ operands: [ValueID], _ name: String, _ channels: Int,
      _ builder: inout GraphBuilder
    ) -> ValueID {
      let type = ValueType(.f32, [1, .fixed(channels), 6, 6])
      return builder.node(Node(op, attributes), operands, results: [Value(name: name, type)])[0]
    }
    let sum = node("Conv", [], [x, w1, b1], "sum", 4, &builder)
    let a = node("Relu", [], [sum], "a", 4, &builder)
    let window: [Attribute] = [
      Attribute("kernel_shape", .ints([3, 3])), Attribute("pads", .ints([1, 1, 1, 1])),
    ]
    let p = node("MaxPool", window, [a], "p", 4, &builder)
    let wide = node("Conv", [], [x, w2], "", 2, &builder)
    let cut = node("Clip", [], [wide, low, high], "cut", 2, &builder)
    let c = node("Concat", [Attribute("axis", .int(1))], [p, cut], "c", 6, &builder)
    let power = node("Exp", [], [c], "power", 6, &builder)
    let e = node("Sqrt", [], [power], "e", 6, &builder)
    let y = node("Conv", [], [e, w3], "y", 3, &builder)
    return builder.finish(returning: [y])
  }

  private func flow(_ graph: Graph, _ inputs: [[String: Tensor]]) throws -> Flow {
    try Flow(graph) { _ in Samples(samples: inputs) }
  }

  @Test(arguments: Seed.all) func aNetworkBecomesIntegerButForItsFloatIsland(seed: Seed) throws {
    var random = seed.random
    let graph = try network(&random)
    let inputs = try (0..<4).map { _ in ["x": try self.random([1, 3, 6, 6], &random)] }
    let flow = try flow(graph, inputs)
    func quantization(_ name: String) -> Quantization? { flow.scheme[name]?.quantization }
    // One scale from the Relu to the Concat, whose parts are cut by it and not by what precedes them.
    for name in ["p", "cut", "c"] { #expect(quantization(name) == quantization("a")) }
    #expect(flow.scheme["sum"] == nil && flow.scheme["e"] != nil)
    let weights = try #require(quantization("w1"))
    #expect(weights.axis == 0 && weights.scale.count == 4 && weights.zeroPoint == [0, 0, 0, 0])

    let values = flow.canonical.values
    func value(_ name: String) throws -> Value {
      try #require(values.ids.map { values[$0] }.first { $0.name == name }, "\(name)")
    }
    for name in ["a", "p", "c", "w1"] { #expect(try value(name).type.element == .i8, "\(name)") }
    #expect(try value("b1").type.element == .i32)
    #expect(try value("a").quantization == quantization("a"))
    #expect(try value("x").type == ValueType(.f32, [1, 3, 6, 6]))
    #expect(try value("y").type.element == .f32)
    #expect(try value("y_quantized").type.element == .i8)
    let stored = try #require(try value("w1").constant).elements(as: Int8.self)
    #expect(stored.allSatisfy { $0 >= -127 } && stored.contains { abs(Int($0)) == 127 })
    #expect(innerConversions(flow.canonical).count == 2, "around Exp and Sqrt: \(flow.canonical.text)")
    #expect(floatContractions(try OperatorSet.standard.lower(flow.canonical)) == [])

    // Stored numbers differ by one at most from those of QDQ, so that what comes out is near the float.
    let samples = Samples(samples: inputs)
    var ratio = SignalToNoise()
    for (float, integer) in zip(try outputs(graph, samples), try outputs(flow.canonical, samples)) {
      ratio.add(reference: float[0], quantized: integer[0])
    }
    #expect(ratio.decibels > 25, "\(ratio.decibels) dB")
  }

  @Test func whatTheSchemeLeavesOutStaysFloat() throws {
    var random = SeededRandom(seed: 1)
    let graph = try network(&random)
    let inputs = [["x": try self.random([1, 3, 6, 6], &random)]]
    let flow = try flow(graph, inputs)
    var scheme = try Scheme(json: flow.scheme.json)
    scheme["w3"] = nil
    let kept = try flow.float.quantized(by: scheme)
    let conv = try #require(kept.order.last { kept.nodes[$0].op == "Conv" })
    #expect(kept.constant(kept.operands(of: conv)[1])?.element == .f32)
    let float = try flow.float.quantized(by: Scheme([]))
    #expect(float.order.map { float.nodes[$0] } == flow.float.order.map { flow.float.nodes[$0] })
    scheme["w1"]?.quantization = Quantization(scale: [1, 1], zeroPoint: [0, 0], axis: 0)
    #expect(refusal(flow.float, scheme)?.contains("'w1'") == true)
  }

  private func refusal(_ graph: Graph, _ scheme: Scheme) -> String? {
    do { _ = try graph.quantized(by: scheme) } catch { return error.message }
    return nil
  }

  /// A bias of 1000 beside weights of 1e-9 would need 43 bits in units of the product of scales.
  @Test func weightsOfDeadChannelsMakeRoomForTheBias() throws {
    var builder = GraphBuilder(name: "g")
    let x = builder.input("x", ValueType(.f32, [1, 2]))
    let w = builder.constant(try Tensor(TensorType(.f32, [2, 2]), [1, 1e-9, 0, 0] as [Float]), name: "w")
    let b = builder.constant(try Tensor(TensorType(.f32, [2]), [0.5, 1000] as [Float]), name: "b")
    let y = builder.node(Node("Gemm"), [x, w, b], results: [Value(name: "y", ValueType(.f32, [1, 2]))])
    let inputs = [["x": try Tensor(TensorType(.f32, [1, 2]), [1, -1] as [Float])]]
    let flow = try flow(builder.finish(returning: y), inputs)
    #expect(floatContractions(try OperatorSet.standard.lower(flow.canonical)) == [])
    let found = try outputs(flow.canonical, Samples(samples: inputs))[0][0].elements(as: Float.self)
    #expect(abs(found[1] - 1000) < 2 && abs(found[0] - 1.5) < 4, "\(found)")
  }

  /// Weights that a model stores as i8 keep their numbers, and a QDQ graph is not quantized twice.
  @Test func whatIsQuantizedStaysSo() throws {
    var random = SeededRandom(seed: 3)
    var builder = GraphBuilder(name: "g")
    let x = builder.input("x", ValueType(.f32, [1, 2]))
    let stored = builder.constant(try Tensor(TensorType(.i8, [2, 2]), [1, -2, 3, 100] as [Int8]), name: "w")
    let scale = builder.constant(try Tensor(TensorType(.f32, [2]), [0.5, 0.25] as [Float]))
    let w = builder.node(Node("DequantizeLinear"), [stored, scale], ValueType(.f32, [2, 2]))
    let y = builder.node(Node("MatMul"), [x, w], results: [Value(name: "y", ValueType(.f32, [1, 2]))])
    let inputs = [["x": try self.random([1, 2], &random)]]
    let flow = try flow(builder.finish(returning: y), inputs)
    #expect(flow.scheme.entries.map(\.name) == ["x", "y"])
    #expect(innerConversions(flow.canonical) == [])
    let weights = try #require(
      flow.canonical.values.ids.map { flow.canonical.values[$0] }.first { $0.name == "w" })
    #expect(weights.constant?.elements(as: Int8.self) == [1, -2, 3, 100])
    #expect(weights.quantization == Quantization(scale: [0.5, 0.25], zeroPoint: [0, 0], axis: 1))
    #expect(floatContractions(try OperatorSet.standard.lower(flow.canonical)) == [])
    let again = try Flow(flow.qdq) { _ in Samples(samples: inputs) }
    #expect(again.scheme.entries.isEmpty)
    #expect(again.qdq.order.map { again.qdq.nodes[$0].op } == flow.qdq.order.map { flow.qdq.nodes[$0].op })
  }

  /// Moves between operators that stay in f32 keep their bits.
  @Test func movesAloneAreNotQuantized() throws {
    var builder = GraphBuilder(name: "g")
    let x = builder.input("x", ValueType(.f32, [2, 3]))
    let e = builder.node(Node("Exp"), [x], ValueType(.f32, [2, 3]))
    let t = builder.node(Node("Transpose"), [e], ValueType(.f32, [3, 2]))
    let y = builder.node(Node("Log"), [t], results: [Value(name: "y", ValueType(.f32, [3, 2]))])
    var random = SeededRandom(seed: 1)
    let flow = try flow(builder.finish(returning: y), [["x": try self.random([2, 3], &random)]])
    #expect(flow.scheme.entries.isEmpty)
    #expect(flow.qdq == flow.float)
  }

  @Test func calibrationNeedsSamplesAndIsTheSameByEvaluation() throws {
    var random = SeededRandom(seed: 2)
    let graph = try network(&random)
    #expect(throws: Diagnostic.self) { try Calibration.run(graph, on: Samples(samples: [])) }
    let samples = Samples(samples: try (0..<3).map { _ in ["x": try self.random([1, 3, 6, 6], &random)] })
    let fast = try Calibration.run(graph, on: samples)
    var slow = Calibration(of: graph)
    for sample in samples.samples {
      slow.observe(try OperatorSet.standard.evaluate(graph, sample["x"].map { [$0] } ?? []))
    }
    #expect(fast.histograms.values.contains { $0.total > 0 })
    #expect(fast.ranges == slow.ranges && fast.sampleCount == 3)
  }

  /// Shapes that an exporter computes in f32 stay what they are.
  @Test func whatBecomesAnIntegerStaysExact() throws {
    var builder = GraphBuilder(name: "g")
    let x = builder.input("x", ValueType(.f32, [1, 3]))
    let one = builder.constant(try Tensor(TensorType(.f32, []), [Float(100)]))
    let sum = builder.node(Node("Add"), [x, one], results: [Value(name: "sum", ValueType(.f32, [1, 3]))])[0]
    let least = builder.node(
      Node("Min"), [sum, one], results: [Value(name: "least", ValueType(.f32, [1, 3]))])[0]
    let number = builder.node(
      Node("Cast", [Attribute("to", .int(7))]), [least], results: [Value(name: "y", ValueType(.i64, [1, 3]))])[
        0]
    let other = builder.node(Node("Abs"), [sum], results: [Value(name: "z", ValueType(.f32, [1, 3]))])[0]
    let inputs = [["x": try Tensor(TensorType(.f32, [1, 3]), [-100, 0, 1e4] as [Float])]]
    let flow = try flow(builder.finish(returning: [number, other]), inputs)
    #expect(flow.scheme.entries.map(\.name) == ["sum", "z"])
    let found = try GraphExecutor(flow.canonical).run(inputs[0]).outputs[0].tensor
    #expect(try found.int64Elements() == [0, 100, 100])
  }

  /// A mask of -1e9 leaves no resolution for the scores beside it; only a Softmax reads them.
  @Test func masksLeaveScoresTheirScale() throws {
    var random = SeededRandom(seed: 12)
    var builder = GraphBuilder(name: "g")
    let type = ValueType(.f32, [8, 8])
    let x = builder.input("x", type)
    let mask = builder.input("mask", type)
    let sum = builder.node(Node("Add"), [x, mask], results: [Value(name: "sum", type)])[0]
    let y = builder.node(Node("Softmax"), [sum], results: [Value(name: "y", type)])[0]
    let upper = (0..<64).map { $0 % 8 > $0 / 8 ? Float(-1e9) : 0 }
    let inputs = try (0..<4).map { _ in
      [
        "x": try self.random([8, 8], &random, scale: 6), "mask": try Tensor(TensorType(.f32, [8, 8]), upper),
      ]
    }
    let flow = try flow(builder.finish(returning: [y]), inputs)
    #expect(flow.result.sqnr[0].ratio.decibels > 20)
    #expect((flow.scheme["sum"]?.quantization.scale[0] ?? 1) < 0.2)
  }
}
