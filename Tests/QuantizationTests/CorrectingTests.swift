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

/// Equalized channels, corrected biases, kept layers.
struct CorrectingTests {
  private struct Samples: SampleSource {
    let samples: [[String: Tensor]]
    var count: Int { samples.count }
    func sample(_ index: Int) -> [String: Tensor] { samples[index] }
  }

  private var random = SeededRandom(seed: 11)

  private mutating func floats(_ shape: [Int], _ range: ClosedRange<Float>) throws -> Tensor {
    let count = shape.reduce(1, *)
    return try Tensor(
      TensorType(.f32, shape), (0..<count).map { _ in Float.random(in: range, using: &random) })
  }

  /// Conv ("a") of channels that span very different intervals → Relu → MaxPool → depthwise Conv ("d") → Relu →
  /// grouped Conv ("g") → GlobalAveragePool → Flatten → Gemm ("y").
  private mutating func network() throws -> Graph {
    var builder = GraphBuilder(name: "g")
    let x = builder.input("x", ValueType(.f32, [1, 3, 8, 8]))
    var first = try floats([8, 3, 1, 1], -1...1).floatElements()
    for index in first.indices { first[index] *= Float(sign: .plus, exponent: index / 3 - 4, significand: 1) }
    func node(
      _ op: String, _ attributes: [Attribute] = [], _ operands: [ValueID], _ name: String, _ shape: [Int]
    ) -> ValueID {
      let type = ValueType(TensorType(.f32, shape))
      return builder.node(Node(op, name: name, attributes), operands, results: [Value(name: name, type)])[0]
    }
    let w1 = builder.constant(try Tensor(TensorType(.f32, [8, 3, 1, 1]), first), name: "w1")
    let b1 = builder.constant(try floats([8], -0.5...0.5), name: "b1")
    let w2 = builder.constant(try floats([8, 1, 3, 3], -1...1), name: "w2")
    let w3 = builder.constant(try floats([4, 4, 1, 1], -1...1), name: "w3")
    let w4 = builder.constant(try floats([5, 4], -1...1), name: "w4")
    let b4 = builder.constant(try floats([5], -1...1), name: "b4")
    let a = node("Relu", [], [node("Conv", [], [x, w1, b1], "a", [1, 8, 8, 8])], "ra", [1, 8, 8, 8])
    let p = node(
      "MaxPool", [Attribute("kernel_shape", .ints([2, 2])), Attribute("strides", .ints([2, 2]))], [a], "p",
      [1, 8, 4, 4])
    let d = node(
      "Conv", [Attribute("pads", .ints([1, 1, 1, 1])), Attribute("group", .int(8))], [p, w2], "d",
      [1, 8, 4, 4])
    let g = node(
      "Conv", [Attribute("group", .int(2))], [node("Relu", [], [d], "rd", [1, 8, 4, 4]), w3], "g",
      [1, 4, 4, 4])
    let m = node("Flatten", [], [node("GlobalAveragePool", [], [g], "m", [1, 4, 1, 1])], "f", [1, 4])
    let y = node("Gemm", [Attribute("transB", .int(1))], [m, w4, b4], "y", [1, 5])
    return builder.finish(returning: [y])
  }

  private mutating func samples(_ count: Int) throws -> Samples {
    var all: [[String: Tensor]] = []
    for _ in 0..<count { all.append(["x": try floats([1, 3, 8, 8], -1...1)]) }
    return Samples(samples: all)
  }

  private func outputs(_ graph: Graph, _ samples: Samples) throws -> [Tensor] {
    let executor = GraphExecutor(graph)
    return try samples.samples.map { try executor.run($0).outputs[0].tensor }
  }

  @Test func equalizationChangesNothingButRanges() throws {
    var copy = self
    let graph = try copy.network()
    let samples = try copy.samples(4)
    var sites = EqualizationSite.all(graph).map { graph.values[$0.value].name }
    #expect(sites == ["p", "rd", "f"] || sites == ["p", "rd"])
    var equalized = graph
    let reports = try PassManager(PassTable([.equalizeChannels])).run(on: &equalized)
    #expect(reports[0].changes > 0)
    for (wanted, found) in zip(try outputs(graph, samples), try outputs(equalized, samples)) {
      for (x, y) in zip(wanted.floatElements(), found.floatElements()) {
        #expect(abs(x - y) <= 1e-4 * (1 + abs(x)))
      }
    }
    // Depthwise convolutions alone read p: its channels now span intervals of one width.
    var ranges = ChannelRanges(graph)
    let runner = ValueRunner(graph)
    for sample in samples.samples { ranges.observe(try runner.run(sample, keeping: ranges.needed)) }
    let byData = try graph.equalizations(ranges)
    sites = byData.map(\.value)
    #expect(sites.contains("p"))
    var scheme = Scheme([])
    scheme.equalizations = byData
    let scaled = try graph.corrected(by: scheme)
    var after = ChannelRanges(scaled)
    let second = ValueRunner(scaled)
    for sample in samples.samples { after.observe(try second.run(sample, keeping: after.needed)) }
    let spans = try #require(after.ranges["p"])
    let used = spans.filter { $0 > 0 }
    #expect((used.max() ?? 0) <= (used.min() ?? 0) * 1.001)
  }

  @Test func correctionsBringMeansBack() throws {
    var copy = self
    let graph = try copy.network()
    let samples = try copy.samples(16)
    func meanError(_ corrects: Bool) throws -> Double {
      var options = Quantizer.Options()
      options.method = .percentile(90)
      options.correctsBiases = corrects
      let result = try Quantizer(graph, .standard, options).run(on: samples)
      #expect(result.scheme.corrections.isEmpty == !corrects)
      var canonical = result.graph
      _ = try PassManager(.standard.afterQuantizing).run(on: &canonical)
      let pairs = zip(try outputs(graph, samples), try outputs(canonical, samples))
      var sums = [Double](repeating: 0, count: 5)
      for (x, y) in pairs {
        for (index, (u, v)) in zip(x.doubleElements(), y.doubleElements()).enumerated() {
          sums[index] += u - v
        }
      }
      return sums.reduce(0) { $0 + abs($1) }
    }
    #expect(try meanError(true) < meanError(false) / 2)
  }

  @Test func automaticIsNoWorseThanAnyMethodAndReadsBack() throws {
    var copy = self
    let graph = try copy.network()
    let samples = try copy.samples(12)
    let network = try NetworkError(ValueRunner(graph), on: samples.samples, .standard, threads: 2)
    let best = try Quantizer(graph).run(on: samples)
    let noise = try network.noise(best.graph)
    for method in CalibrationMethod.candidates {
      var options = Quantizer.Options()
      options.method = method
      #expect(noise <= (try network.noise(try Quantizer(graph, .standard, options).run(on: samples).graph)))
    }
    let read = try Scheme(json: best.scheme.json)
    #expect(read == best.scheme)
    #expect(try Quantizer(graph).apply(read, measuringOn: samples).graph == best.graph)
    var threads = Quantizer.Options()
    threads.threads = 2
    #expect(try Quantizer(graph, .standard, threads).run(on: samples).scheme.json == best.scheme.json)
  }

  @Test func keptNodesStayInFloat() throws {
    var copy = self
    let graph = try copy.network()
    let samples = try copy.samples(3)
    var options = Quantizer.Options()
    options.kept = ["d", "rd"]
    let result = try Quantizer(graph, .standard, options).run(on: samples)
    var canonical = result.graph
    _ = try PassManager(.standard.afterQuantizing).run(on: &canonical)
    let kept = try #require(canonical.order.first { canonical.nodes[$0].name == "d" })
    #expect(canonical.operands(of: kept).allSatisfy { canonical.values[$0].type.element == .f32 })
    let other = try #require(canonical.order.first { canonical.nodes[$0].name == "g" })
    #expect(canonical.values[canonical.operands(of: other)[0]].type.element == .i8)
    options.kept = ["nowhere"]
    let wrong = options
    #expect(throws: Diagnostic.self) { try Quantizer(graph, .standard, wrong).run(on: samples) }
  }

  /// Weights that the model stores as integers, and which equalization takes out of their DequantizeLinear, hinder no
  /// ranking of layers.
  @Test func layersOfStoredWeightsAreRanked() throws {
    var copy = self
    var builder = GraphBuilder(name: "g")
    let type = ValueType(.f32, [1, 2, 3, 3])
    let x = builder.input("x", ValueType(.f32, [1, 2, 3, 3]))
    let numbers = try Tensor(TensorType(.i8, [2, 2, 1, 1]), [100, -3, 1, 2] as [Int8])
    let stored = builder.constant(numbers, name: "w")
    let scale = builder.constant(try Tensor(TensorType(.f32, []), [Float(0.01)]))
    let w = builder.node(
      Node("DequantizeLinear", name: "dq"), [stored, scale],
      results: [Value(name: "wd", ValueType(.f32, [2, 2, 1, 1]))])[0]
    let v = builder.constant(try copy.floats([2, 2, 1, 1], -1...1), name: "v")
    let a = builder.node(Node("Conv", name: "a"), [x, w], results: [Value(name: "a", type)])[0]
    let y = builder.node(Node("Conv", name: "b"), [a, v], results: [Value(name: "y", type)])[0]
    let graph = builder.finish(returning: [y])
    var options = Quantizer.Options()
    (options.equalizes, options.ranksLayers) = (true, true)
    var all: [[String: Tensor]] = []
    for _ in 0..<4 { all.append(["x": try copy.floats([1, 2, 3, 3], -1...1)]) }
    let result = try Quantizer(graph, .standard, options).run(on: Samples(samples: all))
    #expect(result.scheme.equalizations.map(\.value) == ["a"])
    #expect(Set(result.costs.map(\.node)) == ["a", "b"])
  }

  /// As few of the costliest layers as the goal takes.
  @Test func aGoalKeepsLayersUntilItIsReached() throws {
    var copy = self
    let graph = try copy.network()
    let samples = try copy.samples(8)
    let plain = try Quantizer(graph).run(on: samples)
    let reached = plain.sqnr[0].ratio.decibels
    var options = Quantizer.Options()
    options.minimumSQNR = reached - 1
    #expect(try Quantizer(graph, .standard, options).run(on: samples).raised.isEmpty)
    options.minimumSQNR = reached + 6
    let raised = try Quantizer(graph, .standard, options).run(on: samples)
    #expect(raised.sqnr[0].ratio.decibels >= reached + 6)
    #expect(!raised.raised.isEmpty && raised.raised.map(\.noise) == raised.raised.map(\.noise).sorted(by: >))
    #expect(Set(raised.scheme.kept).isSuperset(of: raised.raised.map(\.node)))
    // None of them could go.
    for cost in raised.raised {
      var fewer = raised.scheme
      fewer.kept.removeAll { $0 == cost.node || $0 == "r\(cost.node)" }
      #expect(try Quantizer(graph).apply(fewer, measuringOn: samples).sqnr[0].ratio.decibels < reached + 6)
    }
  }
}
