import GraphIR
import KernelIR
import Operators
import Passes
import Support
import Tensors
import TestSupport
import Testing

/// A small network with everything that the passes look for: norms, biases, activations, identities, shape
/// subgraphs.
private func network(_ random: inout SeededRandom) throws -> Graph {
  func floats(_ shape: [Int], _ range: ClosedRange<Float> = -1...1) throws -> Tensor {
    let count = shape.reduce(1, *)
    return try Tensor(
      TensorType(.f32, shape), (0..<count).map { _ in Float.random(in: range, using: &random) })
  }
  var builder = GraphBuilder(name: "net")
  func type(_ shape: [Dimension]) -> ValueType { ValueType(.f32, shape) }
  let x = builder.input("x", type([.symbol("n"), 3, 8, 8]))
  let w = builder.constant(try floats([4, 3, 3, 3]), name: "w")
  let b = builder.constant(try floats([4]))
  let image = type([.symbol("n"), 4, 8, 8])
  let conv = builder.node(
    Node("Conv", name: "conv", [Attribute("pads", .ints([1, 1, 1, 1]))], sources: [0]), [x, w, b], image)
  let norm = [try floats([4]), try floats([4]), try floats([4]), try floats([4], 0.5...2)].map {
    builder.constant($0)
  }
  let same = builder.node(Node("Identity", sources: [1]), [conv], image)
  let normed = builder.node(Node("BatchNormalization", name: "bn", sources: [2]), [same] + norm, image)
  let relu = builder.node(Node("Relu", sources: [3]), [normed], image)
  let sum = builder.node(Node("Add", sources: [4]), [relu, conv], image)
  let pooled = builder.node(Node("GlobalAveragePool", sources: [5]), [sum], type([.symbol("n"), 4, 1, 1]))
  let shape = builder.node(
    Node("Shape", [Attribute("end", .int(1))], sources: [6]), [pooled], ValueType(.i64, [1]))
  let rest = builder.constant(try Tensor(TensorType(.i64, [1]), [Int64(-1)]))
  let target = builder.node(
    Node("Concat", [Attribute("axis", .int(0))], sources: [7]), [shape, rest], ValueType(.i64, [2]))
  let flat = builder.node(Node("Reshape", sources: [8]), [pooled, target], type([.unknown, .unknown]))
  let weights = builder.constant(try floats([4, 5]))
  let product = builder.node(Node("MatMul", name: "fc", sources: [9]), [flat, weights], type([.unknown, 5]))
  let offset = builder.constant(try floats([5]))
  let fc = builder.node(Node("Add", sources: [10]), [product, offset], type([.unknown, 5]))
  let last = builder.node(
    Node("Softmax", sources: [11]), [fc], results: [Value(name: "y", type([.unknown, 5]))])
  return builder.finish(returning: last)
}

private func images(_ random: inout SeededRandom) throws -> Tensor {
  try Tensor(
    TensorType(.f32, [2, 3, 8, 8]), (0..<384).map { _ in Float.random(in: -2...2, using: &random) })
}

private func output(_ graph: Graph, _ inputs: [Tensor]) throws -> Tensor {
  try #require(try OperatorSet.standard.evaluate(graph, inputs)[graph.outputs[0]])
}

/// What the passes leave computes the same up to the rounding of folded norms, with fixed shapes and without
/// the nodes that they were to remove.
@Test(arguments: Seed.all)
func passesKeepTheMeaning(seed: Seed) throws {
  var random = seed.random
  let graph = try network(&random)
  #expect(graph.verify() == [])
  let x = try images(&random)
  var optimized = graph
  let table = PassTable.standard.replacing(.inferShapes(binding: ["n": 2]))
  _ = try PassManager(table).run(on: &optimized)
  let (expected, found) = (try output(graph, [x]).floatElements(), try output(optimized, [x]).floatElements())
  #expect(zip(expected, found).allSatisfy { abs($0 - $1) <= 1e-3 * abs($0) + 1e-5 })
  #expect(
    optimized.order.map { optimized.nodes[$0].op } == [
      "Conv", "BatchNormalization", "Relu", "Add", "GlobalAveragePool", "Reshape", "Gemm", "Softmax",
    ])
  #expect(optimized.values.ids.allSatisfy { optimized.values[$0].type.concrete != nil })
  #expect(optimized.nodes[optimized.order[6]].sources == [9, 10])
  let kernels = try OperatorSet.standard.lower(optimized)
  #expect(try kernels.evaluate(named: ["x": x])[0] == output(optimized, [x]))
  var again = optimized
  let reports = try PassManager(table).run(on: &again)
  #expect(again == optimized && reports.allSatisfy { $0.changes == 0 })
}

/// QDQ around every node of a float graph, as quantization tools write it: u8 activations with one scale, i8
/// weights per channel, i32 biases.
private func quantizedNetwork(_ random: inout SeededRandom, outputIsStored: Bool) throws -> Graph {
  func scalar(_ value: Float) throws -> Tensor { try Tensor(TensorType(.f32, []), [value]) }
  var builder = GraphBuilder(name: "qdq")
  let x = builder.input("x", ValueType(.f32, [2, 3, 6, 6]))
  var source = 0
  func quantize(_ value: ValueID, _ shape: [Dimension], _ scale: Float, _ zero: UInt8) throws -> (
    ValueID, ValueID
  ) {
    let s = builder.constant(try scalar(scale))
    let z = builder.constant(try Tensor(TensorType(.u8, []), [zero]))
    let stored = builder.node(
      Node("QuantizeLinear", sources: [source]), [value, s, z], ValueType(.u8, shape))
    let real = builder.node(
      Node("DequantizeLinear", sources: [source + 1]), [stored, s, z], ValueType(.f32, shape))
    source += 2
    return (stored, real)
  }
  func weights(_ shape: [Int], axis: Int, scales: [Float]) throws -> ValueID {
    let tensor = try Tensor(TensorType(.i8, shape)) { _ in .i32(Int32.random(in: -127...127, using: &random))
    }
    let operands = [
      builder.constant(tensor), builder.constant(try Tensor(TensorType(.f32, [scales.count]), scales)),
      builder.constant(try Tensor(TensorType(.i8, [scales.count])) { _ in .i32(0) }),
    ]
    source += 1
    return builder.node(
      Node("DequantizeLinear", [Attribute("axis", .int(Int64(axis)))], sources: [source - 1]), operands,
      ValueType(TensorType(.f32, shape)))
  }
  let input = try quantize(x, [2, 3, 6, 6], 0.02, 130).1
  let scales: [Float] = [0.01, 0.02, 0.005, 0.015]
  let w = try weights([4, 3, 3, 3], axis: 0, scales: scales)
  let numbers = (0..<4).map { _ in Int32.random(in: -2000...2000, using: &random) }
  let biasScales = builder.constant(try Tensor(TensorType(.f32, [4]), scales.map { $0 * 0.02 }))
  let bias = builder.node(
    Node("DequantizeLinear", [Attribute("axis", .int(0))]),
    [builder.constant(try Tensor(TensorType(.i32, [4]), numbers)), biasScales], ValueType(.f32, [4]))
  let image: [Dimension] = [2, 4, 6, 6]
  let conv = builder.node(
    Node("Conv", name: "conv", [Attribute("pads", .ints([1, 1, 1, 1]))], sources: [100]), [input, w, bias],
    ValueType(.f32, image))
  let relu = builder.node(Node("Relu", sources: [101]), [conv], ValueType(.f32, image))
  let a = try quantize(relu, image, 0.03, 0).1
  let sum = builder.node(Node("Add", sources: [102]), [a, a], ValueType(.f32, image))
  let s = try quantize(sum, image, 0.05, 3).1
  let pool = builder.node(
    Node("GlobalAveragePool", sources: [103]), [s], ValueType(.f32, [2, 4, 1, 1]))
  let p = try quantize(pool, [2, 4, 1, 1], 0.04, 1).1
  let flat = builder.node(Node("Flatten", sources: [104]), [p], ValueType(.f32, [2, 4]))
  let f = try quantize(flat, [2, 4], 0.04, 1).1
  let m = try weights([4, 5], axis: 1, scales: [0.01, 0.02, 0.03, 0.04, 0.05])
  let offset = builder.constant(
    try Tensor(TensorType(.f32, [5]), (0..<5).map { _ in Float.random(in: -1...1, using: &random) }))
  let gemm = builder.node(Node("Gemm", name: "fc", sources: [105]), [f, m, offset], ValueType(.f32, [2, 5]))
  let (stored, real) = try quantize(gemm, [2, 5], 0.1, 120)
  return builder.finish(returning: [outputIsStored ? stored : real])
}

/// The canonical form gives what the QDQ graph gives: evaluation by rule Q differs only where biases are
/// rounded to i32, at most one step; kernels likewise. No float contraction is left.
@Test(arguments: Seed.all, [false, true])
func fusedQDQKeepsTheMeaning(seed: Seed, outputIsStored: Bool) throws {
  var random = seed.random
  let graph = try quantizedNetwork(&random, outputIsStored: outputIsStored)
  #expect(graph.verify() == [] && OperatorSet.standard.check(graph) == [])
  let x = try Tensor(
    TensorType(.f32, [2, 3, 6, 6]), (0..<216).map { _ in Float.random(in: -2...2, using: &random) })
  var fused = graph
  _ = try PassManager().run(on: &fused)
  let ops = fused.order.map { fused.nodes[$0].op }
  let borders = outputIsStored ? ["DequantizeLinear", "QuantizeLinear"] : ["DequantizeLinear"]
  #expect(
    ops == ["QuantizeLinear", "Conv", "Add", "GlobalAveragePool", "Flatten", "Gemm"] + borders,
    "\(fused.text)")
  let inner = fused.order.dropFirst().prefix(5).flatMap { fused.results(of: $0) }
  #expect(inner.allSatisfy { fused.values[$0].type.element == .i8 && fused.values[$0].quantization != nil })
  #expect(fused.order.allSatisfy { !fused.nodes[$0].sources.isEmpty })

  let expected = try output(graph, [x])
  let found = try output(fused, [x])
  let step: Double = outputIsStored ? 1 : 0.1
  let pairs = zip(expected.doubleElements(), found.doubleElements())
  #expect(
    pairs.allSatisfy { abs($0 - $1) <= step * 1.001 },
    "\(expected.doubleElements()) \(found.doubleElements())")
  let kernels = try OperatorSet.standard.lower(fused)
  let lowered = try kernels.evaluate(named: ["x": x])[0]
  // A step in the convolution may grow by the layers behind it.
  #expect(
    zip(found.doubleElements(), lowered.doubleElements()).allSatisfy { abs($0 - $1) <= 2 * step * 1.001 })
  let contractions = kernels.nodes.ids.compactMap { kernels.nodes[$0].kernel }.filter { $0.form == .contract }
  // The convolution, the mean and the product.
  #expect(contractions.count == 3 && contractions.allSatisfy { $0.accumulation == .integer })
}
