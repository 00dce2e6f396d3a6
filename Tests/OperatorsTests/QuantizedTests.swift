import GraphIR
import KernelIR
import Operators
import Support
import Tensors
import TestSupport
import Testing

/// Rule Q against kernels. Copies, maps and reductions give the same bytes; contractions differ by at most
/// one step on at most one element of a thousand, over all cases together.
private func checkQuantized(
  _ op: String, _ attributes: [Attribute] = [], _ operands: [Tensor?], _ quantizations: [Quantization?],
  _ result: Quantization, constants: Set<Int> = [], element: ElementType = .i8,
  sourceLocation: SourceLocation = #_sourceLocation
) throws -> (count: Int, different: Int) {
  let graph = try graph(
    Node(op, attributes), operands, constants: constants, quantizations: quantizations, result: result,
    element: element)
  let (evaluated, found) = try run(graph, operands)
  let lowered = try #require(found, sourceLocation: sourceLocation)
  let kernels = try OperatorSet.standard.lower(graph)
  guard kernels.nodes.ids.contains(where: { kernels.nodes[$0].kernel?.form == .contract }) else {
    if evaluated != lowered {
      Issue.record("\(graph.text)\n\(evaluated.listing)\n\(lowered.listing)", sourceLocation: sourceLocation)
    }
    return (0, 0)
  }
  #expect(evaluated.type == lowered.type, sourceLocation: sourceLocation)
  if element.isFloat { return (0, 0) }
  let pairs = zip(try evaluated.int64Elements(), try lowered.int64Elements())
  #expect(pairs.allSatisfy { abs($0 - $1) <= 1 }, "\(graph.text)", sourceLocation: sourceLocation)
  return (evaluated.count, pairs.count { $0 != $1 })
}

@Test(arguments: Seed.all)
func quantizedMaps(seed: Seed) throws {
  var random = RandomTensors(seed)
  for _ in 0..<8 {
    let shape = [2, random.int(1...4), 3]
    let x = try random.integers(shape, .i8)
    let (qx, qy) = (random.quantization(), random.quantization())
    for op in ["Relu", "Sigmoid", "Tanh", "Exp", "Identity", "Flatten", "Transpose", "Softmax", "ReduceMean"]
    {
      _ = try checkQuantized(op, [], [x], [qx], qy)
      _ = try checkQuantized(op, [], [x], [qx], qx)
    }
    let y = try random.integers(shape, .i8)
    for op in ["Add", "Mul", "Sub"] {
      _ = try checkQuantized(op, [], [x, y], [qx, random.quantization()], qy)
    }
    _ = try checkQuantized("Add", [Attribute("activation", .string("Relu"))], [x, y], [qx, qx], qy)
    _ = try checkQuantized("Mul", [], [x, try random.floats([])], [qx, nil], qy)
    _ = try checkQuantized("Concat", [int("axis", 1)], [x, y], [qx, random.quantization()], qy)
    _ = try checkQuantized("Concat", [int("axis", 1)], [x, y], [qx, qx], qx)
    _ = try checkQuantized("ReduceMax", [int("keepdims", 0)], [x, try vector([1])], [qx], qx, constants: [1])
    _ = try checkQuantized("ReduceMax", [], [x], [qx], qy)
    let pads = try vector([0, 1, 0, 1, 0, 2])
    _ = try checkQuantized("Pad", [], [x, pads], [qx], qx, constants: [1])
    _ = try checkQuantized("Pad", [], [x, pads, try random.floats([])], [qx], qy, constants: [1, 2])
    let images = try random.integers([1, 2, 5, 4], .i8)
    let pool = [ints("kernel_shape", [3, 2]), ints("pads", [1, 0, 1, 1]), ints("strides", [2, 1])]
    _ = try checkQuantized("MaxPool", pool, [images], [qx], qx)
    _ = try checkQuantized("MaxPool", pool, [images], [qx], qy)
    _ = try checkQuantized("AveragePool", pool, [images], [qx], qy)
    _ = try checkQuantized("GlobalAveragePool", [], [images], [qx], qy)
    let scales = try Tensor(TensorType(.f32, [4]), [Float(1), 1, 2, 1.5])
    _ = try checkQuantized("Resize", [], [images, nil, scales], [qx], qy, constants: [2])
    let fp8 = try random.floats(shape, .f8e4m3)
    let (sx, sy) = (random.quantization(.f8e4m3), random.quantization(.f8e4m3))
    for op in ["Relu", "Sigmoid", "Transpose"] {
      _ = try checkQuantized(op, [], [fp8], [sx], sy, element: .f8e4m3)
      _ = try checkQuantized(op, [], [fp8], [sx], sx, element: .f8e4m3)
    }
    let channels = random.quantization(channels: shape[1], axis: 1)
    for op in ["Relu", "Transpose"] { _ = try checkQuantized(op, [], [x], [channels], qy) }
  }
}

@Test(arguments: Seed.all)
func quantizedContractions(seed: Seed) throws {
  var random = RandomTensors(seed)
  var (count, different) = (0, 0)
  for round in 0..<16 {
    let qx = random.quantization()
    let qy = Quantization(
      scale: Float.random(in: 0.1...0.6, using: &random.random), zeroPoint: Int32(round - 8))
    let isPerChannel = random.flag()
    let activation = random.flag() ? [Attribute("activation", .string("Relu"))] : []
    let group = random.pick([1, 2, 4])
    let x = try random.integers([2, 4, 7, 6], .i8)
    let w = try random.integers([4, 4 / group, 3, 2], .i8)
    let qw =
      isPerChannel ? random.quantization(channels: 4, axis: 0) : Quantization(scale: 0.01, zeroPoint: 3)
    let scales = qw.scale.map { Float(Double($0) * Double(qx.scale[0])) }
    let zeros = scales.map { _ in Int32(0) }
    let qb = Quantization(scale: scales, zeroPoint: zeros, axis: isPerChannel ? 0 : nil)
    let bias = try Tensor(TensorType(.i32, [4]), (0..<4).map { _ in Int32(random.int(-3000...3000)) })
    let attributes =
      [int("group", group), ints("pads", [1, 0, 1, 1]), ints("strides", [1, 2])] + activation
    let real = try random.floats([4], edges: false)
    for (b, quantization) in [(bias, qb), (nil, nil), (real, nil)] as [(Tensor?, Quantization?)] {
      let found = try checkQuantized(
        "Conv", attributes, [x, w, b], [qx, qw, quantization], qy, constants: [1, 2])
      if b != real { (count, different) = (count + found.count, different + found.different) }
    }
    let a = try random.integers([5, 24], .i8)
    let b = try random.integers([4, 24], .i8)
    let found = try checkQuantized(
      "Gemm", [int("transB", 1)] + activation, [a, b, bias], [qx, qw, qb], qy, constants: [1, 2])
    let keys = try random.integers([2, 24, 3], .i8)
    let product = try checkQuantized("MatMul", activation, [a, keys], [qx, random.quantization()], qy)
    count += found.count + product.count
    different += found.different + product.different
  }
  #expect(different * 1000 <= count, "\(different) of \(count)")
}

/// Means and linear resampling by whole factors are contractions where both sides have scales of their own.
@Test(arguments: Seed.all)
func quantizedMeansAndBlends(seed: Seed) throws {
  var random = RandomTensors(seed)
  var (count, different, contractions) = (0, 0, 0)
  func add(_ found: (count: Int, different: Int)) {
    count += found.count
    different += found.different
    contractions += found.count > 0 ? 1 : 0
  }
  for _ in 0..<12 {
    let shape = [random.int(1...2), random.int(1...20), random.int(2...9), random.int(2...9)]
    let images = try random.integers(shape, .i8)
    let (qx, qy) = (random.quantization(), random.quantization())
    add(try checkQuantized("GlobalAveragePool", [], [images], [qx], qy))
    add(try checkQuantized("ReduceMean", [ints("axes", [-1])], [images], [qx], qy))
    let pool = [ints("kernel_shape", [2, 2]), ints("strides", [2, 1])]
    add(try checkQuantized("AveragePool", pool, [images], [qx], qy))
    for mode in ["half_pixel", "pytorch_half_pixel", "asymmetric", "align_corners"] {
      let attributes = [
        Attribute("coordinate_transformation_mode", .string(mode)), Attribute("mode", .string("linear")),
      ]
      let factors = [Float(1), 1, random.pick([1, 2, 3, 4, 1.5]), random.pick([2, 4, 8])]
      let scales = try Tensor(TensorType(.f32, [4]), factors)
      add(try checkQuantized("Resize", attributes, [images, nil, scales], [qx], qy, constants: [2]))
      _ = try checkQuantized("Resize", attributes, [images, nil, scales], [qx], qx, constants: [2])
    }
  }
  #expect(contractions > 40)
  #expect(different * 1000 <= count, "\(different) of \(count)")
}

/// FP8 sums are exact, so that only the order of scaling differs from rule Q: a step of FP8 at most.
@Test(arguments: Seed.all)
func fp8Contractions(seed: Seed) throws {
  var random = RandomTensors(seed)
  for _ in 0..<10 {
    let x = try random.floats([3, 20], .f8e4m3, edges: false)
    let w = try random.floats([20, 4], .f8e4m3, edges: false)
    let (sx, sw, sy) = (
      random.quantization(.f8e4m3), random.quantization(channels: 4, axis: 1), Quantization(scale: 0.1)
    )
    let operands: [Tensor?] = [x, w, try random.floats([4], edges: false)]
    let graph = try graph(
      Node("Gemm"), operands, constants: [1, 2], quantizations: [sx, sw], result: sy, element: .f8e4m3)
    let (evaluated, lowered) = try run(graph, operands)
    let pairs = zip(evaluated.elements(as: UInt8.self), try #require(lowered).elements(as: UInt8.self))
    #expect(pairs.allSatisfy { abs(Int($0) - Int($1)) <= 1 })
    let kernels = try OperatorSet.standard.lower(graph)
    #expect(kernels.nodes.ids.contains { kernels.nodes[$0].kernel?.accumulation == .fp8 })
  }
}

/// Whatever is quantized to integers runs on integers: no kernel of a contraction computes in f32.
@Test func contractionIsOneIntegerKernel() throws {
  let random = Seed.all[0]
  var tensors = RandomTensors(random)
  let (x, w) = (try tensors.integers([1, 3, 8, 8], .i8), try tensors.integers([5, 3, 3, 3], .i8))
  let operands: [Tensor?] = [x, w]
  let graph = try graph(
    Node("Conv", [ints("pads", [1, 1, 1, 1])]), operands, constants: [1],
    quantizations: [Quantization(scale: 0.1, zeroPoint: 4), tensors.quantization(channels: 5, axis: 0)],
    result: Quantization(scale: 0.2))
  let kernels = try OperatorSet.standard.lower(graph)
  #expect(kernels.nodes.count == 1)
  let kernel = try #require(kernels.nodes[KernelID(rawValue: 0)].kernel)
  #expect(kernel.accumulation == .integer)
  #expect(kernel.operands[0].outside == .fill(4))
  #expect(kernel.axes.ids.map { kernel.axes[$0].name } == ["n", "co", "oh", "ow", "kh", "kw", "ci"])
}

/// 2^31 / (255 · 127) products and one more may overflow: lowering refuses what it cannot prove.
@Test(arguments: [(66_000, false), (66_400, true)])
func sumsAreProved(length: Int, isRefused: Bool) throws {
  let x = try Tensor(TensorType(.i8, [1, length])) { _ in .i32(127) }
  let w = try Tensor(TensorType(.i8, [length, 1])) { _ in .i32(127) }
  let (qx, qw) = (Quantization(scale: 0.1, zeroPoint: -128), Quantization(scale: 0.1))
  let graph = try graph(
    Node("MatMul"), [x, w], constants: [1], quantizations: [qx, qw], result: Quantization(scale: 1000))
  if isRefused {
    let found = #expect(throws: Diagnostic.self) { try OperatorSet.standard.lower(graph) }
    #expect(found?.kind == .notLowered)
  } else {
    #expect(try OperatorSet.standard.lower(graph).nodes.count == 1)
  }
}

@Test(arguments: Seed.all)
func integerContractions(seed: Seed) throws {
  var random = RandomTensors(seed)
  for _ in 0..<6 {
    let (left, right) = (random.pick([ElementType.i8, .u8]), random.pick([ElementType.i8, .u8]))
    let zeros = [try random.integers([], left), try random.integers([], right)]
    let group = random.pick([1, 2])
    let x = try random.integers([1, 2, 5, 4], left)
    let w = try random.integers([4, 2 / group, 3, 2], right)
    let attributes = [int("group", group), ints("pads", [1, 0, 1, 1])]
    try check("ConvInteger", attributes, [x, w] + zeros, constants: [2, 3])
    try check("ConvInteger", attributes, [x, w])
    try check("ConvInteger", attributes, [x, w] + zeros, isLowered: false)
    let (a, b) = (try random.integers([2, 3, 5], left), try random.integers([5, 4], right))
    try check("MatMulInteger", [], [a, b] + zeros, constants: [2, 3])
    try check("MatMulInteger", [], [a, b, nil, try random.integers([4], right)], isLowered: false)
  }
}
