import GraphIR
import KernelIR
import Operators
import Support
import Tensors
import TestSupport
import Testing

private let floats: [ElementType] = [.f32, .f16, .bf16]

@Test(arguments: Seed.all)
func elementwise(seed: Seed) throws {
  var random = RandomTensors(seed)
  for _ in 0..<8 {
    let element = random.pick(floats)
    let shape = [random.int(0...3), random.int(1...4)]
    for op in ["Relu", "Sigmoid", "Tanh", "Erf", "Exp", "Identity"] {
      try check(op, [], [try random.floats(shape, element)])
    }
    try check("Relu", [], [try random.integers(shape, .i8)])
    for op in ["Add", "Sub", "Mul", "Div"] {
      try check(op, [], [try random.floats(shape, element), try random.floats([shape[1]], element)])
      try check(op, [], [try random.floats([2, 1, 1], element), try random.floats(shape, element)])
    }
    try check("Mul", [], [try random.integers(shape, .i32), try random.integers([], .i32)])
    let relu = [Attribute("activation", .string("Relu"))]
    try check("Add", relu, [try random.floats(shape, element), try random.floats(shape, element)])
    try check("Clip", [], [try random.floats(shape), try random.floats([]), try random.floats([])])
    try check("Clip", [], [try random.floats(shape), nil, try random.floats([])])
    try check("Clip", [], [try random.integers(shape, .i8), try random.integers([], .i8)])
    let channels = [2, 3, 2]
    let parameters = try (0..<4).map { _ in try random.floats([3], element) }
    try check("BatchNormalization", [], [try random.floats(channels, element)] + parameters)
  }
}

@Test(arguments: Seed.all)
func casts(seed: Seed) throws {
  var random = RandomTensors(seed)
  let types: [ElementType] = [
    .bool, .i4, .u4, .i8, .u8, .i16, .u16, .i32, .f8e4m3, .f8e5m2, .bf16, .f16, .f32,
  ]
  for from in types {
    for to in types {
      let x = from.isFloat ? try random.floats([40], from) : try random.integers([40], from)
      guard case .int(let number)? = to.attributeValue else { continue }
      try check("Cast", [Attribute("to", .int(number))], [x])
    }
  }
  try check("Cast", [int("to", 7)], [try random.floats([4])], isLowered: false)
}

@Test(arguments: Seed.all)
func copies(seed: Seed) throws {
  var random = RandomTensors(seed)
  for _ in 0..<12 {
    let shape = [random.int(1...3), random.int(0...3), random.int(1...4)]
    let x = try random.floats(shape)
    let axis = random.int(-3...2)
    var other = shape
    other[(axis + 3) % 3] = random.int(0...3)
    try check("Concat", [int("axis", axis)], [x, try random.floats(other), try random.floats(shape)])
    try check("Concat", [int("axis", axis)], [x])
    try check("Transpose", [ints("perm", [0, 1, 2].shuffled(using: &random.random))], [x])
    try check("Transpose", [], [x])
    try check("Flatten", [int("axis", random.int(-3...3))], [x])
    try check(
      "Reshape", [], [x, try vector([0, -1])].map { $0 }, constants: [1], isLowered: true, skip: shape[1] == 0
    )
    try check("Unsqueeze", [], [x, try vector([random.int(-4...3)])], constants: [1])
    try check("Squeeze", [], [try random.floats([1, shape[1], 1]), try vector([-1, 0])], constants: [1])
    let starts = try vector([random.int(-5...5), random.int(-5...5)])
    let ends = try vector([random.int(-5...5), random.pick([Int.max, Int.min, -2, 3])])
    let steps = try vector([random.pick([-2, -1, 1, 2]), random.pick([-1, 1, 3])])
    try check("Slice", [], [x, starts, ends, try vector([2, -3]), steps], constants: [1, 2, 3, 4])
    try check("Slice", [], [x, starts, ends], constants: [1, 2])
    let pads = try vector((0..<6).map { _ in random.int(0...2) })
    try check("Pad", [], [x, pads, try random.floats([])], constants: [1, 2])
    try check("Pad", [], [x, try vector([-1, 2]), nil, try vector([2])], constants: [1, 3])
    let indices = try Tensor(TensorType(.i32, [2, 2]), (0..<4).map { _ in Int32(random.int(-2...1)) })
    let rows = try random.floats([2, 3])
    try check("Gather", [], [rows, indices])
    try check("Gather", [int("axis", -2)], [rows, try vector([1, -2, 0])], constants: [1])
  }
  for mode in ["reflect", "edge", "wrap"] {
    let attributes = [Attribute("mode", .string(mode))]
    try check("Pad", attributes, [try random.floats([2, 3]), try vector([0, 2, 1, 2])], constants: [1])
    try check("Pad", attributes, [try random.floats([3, 2]), try vector([-1, 0, 4, 0])], constants: [1])
  }
}

/// `skip` leaves a case out that the operator does not allow.
private func check(
  _ op: String, _ attributes: [Attribute], _ operands: [Tensor?], constants: Set<Int>, isLowered: Bool,
  skip: Bool
) throws {
  if !skip { try check(op, attributes, operands, constants: constants, isLowered: isLowered) }
}

@Test(arguments: Seed.all)
func nearestResize(seed: Seed) throws {
  var random = RandomTensors(seed)
  let modes = ["half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners", "asymmetric"]
  let rounds = ["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"]
  for mode in modes {
    for round in rounds {
      let attributes = [
        Attribute("coordinate_transformation_mode", .string(mode)), Attribute("nearest_mode", .string(round)),
      ]
      let x = try random.floats([1, 2, random.int(1...5), random.int(1...5)])
      let scales = try Tensor(TensorType(.f32, [4]), [Float(1), 1, random.pick([2, 3, 0.5, 1.7]), 2])
      try check("Resize", attributes, [x, nil, scales], constants: [2])
      let sizes = try vector([1, 2, random.int(1...9), random.int(1...9)])
      try check("Resize", attributes, [x, nil, nil, sizes], constants: [3])
    }
  }
}

@Test(arguments: Seed.all)
func linearResize(seed: Seed) throws {
  var random = RandomTensors(seed)
  for mode in ["half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners", "asymmetric"] {
    for element in floats {
      let attributes = [
        Attribute("coordinate_transformation_mode", .string(mode)), Attribute("mode", .string("linear")),
      ]
      let x = try random.floats([1, 2, random.int(1...5), random.int(1...5)], element)
      let scales = try Tensor(TensorType(.f32, [4]), [Float(1), 1, random.pick([2, 3, 0.7, 1.7]), 2])
      let isEmpty = x.shape[2] == 1 && scales.floatElements()[2] < 1
      try check("Resize", attributes, [x, nil, scales], constants: [2], isLowered: !isEmpty)
      let sizes = try vector([1, 2, random.int(1...9), x.shape[3] + 1])
      try check("Resize", attributes, [x, nil, nil, sizes], constants: [3])
    }
  }
}

@Test(arguments: Seed.all)
func reductions(seed: Seed) throws {
  var random = RandomTensors(seed)
  for _ in 0..<8 {
    let element = random.pick(floats)
    let shape = [2, random.int(1...3), random.pick([1, 5, 70])]
    for op in ["ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin"] {
      let attributes = [int("keepdims", random.int(0...1))]
      let axes = try vector([random.pick([[0], [-1], [1, 2], [0, 2]]), [2]][random.int(0...1)])
      try check(op, attributes, [try random.floats(shape, element), axes], constants: [1])
      try check(op, attributes, [try random.floats(shape, element)])
      try check(op, [int("noop_with_empty_axes", 1)], [try random.floats(shape, element)])
    }
    try check("ReduceMax", [ints("axes", [1])], [try random.integers(shape, .i8)])
    try check("Softmax", [int("axis", random.int(-3...2))], [try random.floats(shape, element)])
    try check("Softmax", [], [try random.floats(shape, element, edges: false)])
    try check("GlobalAveragePool", [], [try random.floats([1, 2, 3, random.int(1...30)], element)])
    try check("GlobalMaxPool", [], [try random.floats([1, 2, 3], element)])
  }
}

/// The attributes of a window, at random, and the smallest extent that it fits.
private func window(_ random: inout RandomTensors, rank: Int, dilates: Bool = true) -> ([Attribute], [Int]) {
  let kernel = (0..<rank).map { _ in random.int(1...3) }
  var attributes = [ints("kernel_shape", kernel), ints("strides", (0..<rank).map { _ in random.int(1...3) })]
  let dilations = (0..<rank).map { _ in dilates ? random.int(1...2) : 1 }
  attributes.append(ints("dilations", dilations))
  switch random.int(0...3) {
  case 0: attributes.append(Attribute("auto_pad", .string("SAME_UPPER")))
  case 1: attributes.append(Attribute("auto_pad", .string("SAME_LOWER")))
  case 2: attributes.append(Attribute("auto_pad", .string("VALID")))
  default: attributes.append(ints("pads", (0..<(2 * rank)).map { _ in random.int(0...1) }))
  }
  return (attributes, zip(kernel, dilations).map { ($0 - 1) * $1 + 1 })
}

@Test(arguments: Seed.all)
func pooling(seed: Seed) throws {
  var random = RandomTensors(seed)
  for _ in 0..<20 {
    let rank = random.int(1...3)
    let (attributes, spans) = window(&random, rank: rank)
    let shape = [1, 2] + spans.map { $0 + random.int(0...3) }
    let ceil = int("ceil_mode", random.int(0...1))
    let element = random.pick(floats)
    try check("MaxPool", attributes + [ceil], [try random.floats(shape, element)])
    try check("MaxPool", attributes + [ceil], [try random.integers(shape, .u8)])
    let include = int("count_include_pad", random.int(0...1))
    try check("AveragePool", attributes + [ceil, include], [try random.floats(shape, element)])
  }
}

@Test(arguments: Seed.all)
func convolution(seed: Seed) throws {
  var random = RandomTensors(seed)
  for _ in 0..<30 {
    let rank = random.int(1...3)
    var (attributes, spans) = window(&random, rank: rank)
    guard case .ints(let kernel) = attributes[0].value else { return }
    let (group, perGroup, outPerGroup) = (random.pick([1, 1, 2, 3]), random.int(1...3), random.int(1...2))
    attributes.append(int("group", group))
    if random.flag() { attributes.append(Attribute("activation", .string("Relu"))) }
    let element = random.pick(floats)
    let shape = [random.int(1...2), group * perGroup] + spans.map { $0 + random.int(0...3) }
    let x = try random.floats(shape, element)
    let w = try random.floats([group * outPerGroup, perGroup] + kernel.map { Int($0) }, element)
    let bias = random.flag() ? try random.floats([group * outPerGroup], element) : nil
    try check("Conv", attributes, [x, w, bias])
  }
}

@Test(arguments: Seed.all)
func products(seed: Seed) throws {
  var random = RandomTensors(seed)
  for round in 0..<20 {
    let (m, k, n) = (random.int(0...4), random.int(0...9), 3)
    let (transA, transB) = (random.int(0...1), random.int(0...1))
    let element = random.pick(floats)
    var attributes = [int("transA", transA), int("transB", transB)]
    if random.flag() { attributes.append(Attribute("alpha", .float(0.7))) }
    if random.flag() { attributes.append(Attribute("beta", .float(-1.3))) }
    if random.flag() { attributes.append(Attribute("activation", .string("Relu"))) }
    let a = try random.floats(transA == 1 ? [k, m] : [m, k], element)
    let b = try random.floats(transB == 1 ? [n, k] : [k, n], element)
    try check(
      "Gemm", attributes, [a, b, try random.floats([[m, 1], [n], [], [1, n]][round % 4], element)])
    try check("Gemm", attributes, [a, b])
    let shapes = [
      ([2, 3], [3, 2]), ([3], [3, 2]), ([2, 3], [3]), ([3], [3]), ([2, 1, 2, 3], [4, 3, 1]),
      ([2, 3], [5, 3, 2]),
    ]
    let (left, right) = shapes[round % shapes.count]
    try check("MatMul", [], [try random.floats(left, element), try random.floats(right, element)])
  }
}

@Test(arguments: Seed.all)
func conversions(seed: Seed) throws {
  var random = RandomTensors(seed)
  for element in [ElementType.i8, .u8, .i16, .i32, .f8e4m3, .f8e5m2, .i4, .u4] {
    let isFloat = element.isFloat
    let stored = isFloat ? try random.floats([2, 3, 2], element) : try random.integers([2, 3, 2], element)
    for channels in [nil, 3] {
      let shape = channels.map { [$0] } ?? []
      let count = channels ?? 1
      let scale = try Tensor(TensorType(.f32, shape), (0..<count).map { Float($0) * 0.3 + 0.1 })
      let zero =
        isFloat || element == .i32
        ? try Tensor(TensorType(element, shape)) { (_: UnsafeMutableRawBufferPointer) in }
        : try random.integers(shape, element)
      try check("QuantizeLinear", [], [try random.floats([2, 3, 2]), scale, zero], constants: [1, 2])
      try check("DequantizeLinear", [], [stored, scale, zero], constants: [1, 2])
      try check("DequantizeLinear", [], [stored, scale], constants: [1])
    }
  }
}

@Test(arguments: Seed.all)
func furtherElementwise(seed: Seed) throws {
  var random = RandomTensors(seed)
  for _ in 0..<6 {
    let element = random.pick(floats)
    let shape = [random.int(0...3), random.int(1...4)]
    let unary = [
      "Sqrt", "Reciprocal", "Log", "Floor", "Ceil", "Round", "Sin", "Cos", "Neg", "Abs", "HardSigmoid",
      "HardSwish", "Swish",
      "LeakyRelu", "Elu", "Softplus", "Gelu",
    ]
    for op in unary { try check(op, [], [try random.floats(shape, element)]) }
    try check("Gelu", [Attribute("approximate", .string("tanh"))], [try random.floats(shape, element)])
    for op in ["Neg", "Abs"] { try check(op, [], [try random.integers(shape, .i32)]) }
    for exponent in [-1, 0, 0.5, 1, 2, 3] as [Float] {
      let y = try Tensor(TensorType(.f32, []), [exponent])
      try check("Pow", [], [try random.floats(shape, element), y], constants: [1])
    }
    let odd = try Tensor(TensorType(.f32, []), [Float(2.5)])
    try check("Pow", [], [try random.floats(shape), odd], constants: [1], isLowered: false)
    for op in ["Max", "Min", "Sum"] {
      let operands = [try random.floats(shape, element), try random.floats([shape[1]], element)]
      try check(op, [], operands + [try random.floats([2, 1, 1], element)])
      try check(op, [], [operands[0]])
    }
    try check("Max", [], [try random.integers(shape, .i8), try random.integers([], .i8)])
    for op in ["Equal", "Less", "LessOrEqual", "Greater", "GreaterOrEqual"] {
      try check(op, [], [try random.floats(shape, element), try random.floats([shape[1]], element)])
      try check(op, [], [try random.integers(shape, .i8), try random.integers([], .i8)])
    }
    let truth = try random.integers(shape, .bool)
    for op in ["And", "Or", "Xor"] { try check(op, [], [truth, try random.integers([], .bool)]) }
    try check("Not", [], [truth])
    try check("Where", [], [truth, try random.floats([shape[1]], element), try random.floats([], element)])
    try check("Where", [], [truth, try random.integers(shape, .u8), try random.integers([1, 1], .u8)])
  }
}

@Test(arguments: Seed.all)
func furtherCopies(seed: Seed) throws {
  var random = RandomTensors(seed)
  for _ in 0..<6 {
    let shape = [random.int(1...3), random.int(1...4)]
    let x = try random.floats(shape)
    try check("Expand", [], [x, try vector([2, 1, shape[1]])], constants: [1])
    try check("Expand", [], [try random.floats([1, shape[1]]), try vector([3, 1])], constants: [1])
    try check("Tile", [], [x, try vector([random.int(0...3), random.int(1...2)])], constants: [1])
    for mode in ["DCR", "CRD"] {
      let attributes = [int("blocksize", 2), Attribute("mode", .string(mode))]
      try check("DepthToSpace", attributes, [try random.floats([2, 12, 2, random.int(1...3)])])
    }
    try checkParts([int("axis", -1)], [try random.floats([2, 7]), try vector([1, 0, 4, 2])], [1, 0, 4, 2])
    try checkParts([int("num_outputs", 3)], [try random.floats([7, 2])], [3, 3, 1])
  }
}

/// Split has several results, each of which lowers to what it evaluates to.
private func checkParts(_ attributes: [Attribute], _ operands: [Tensor], _ lengths: [Int]) throws {
  var builder = GraphBuilder(name: "split")
  let x = builder.input("x", ValueType(operands[0].type))
  let ids = [x] + operands.dropFirst().map { builder.constant($0) }
  let node = Node("Split", attributes)
  let types = try OperatorSet.standard.infer(
    node, [OperandType(ValueType(operands[0].type))] + operands.dropFirst().map { OperandType($0) })
  let results = builder.node(node, ids, results: types.map { Value($0) })
  let graph = builder.finish(returning: results)
  let values = try OperatorSet.standard.evaluate(graph, [operands[0]])
  let evaluated = try graph.outputs.map { try #require(values[$0]) }
  #expect(try OperatorSet.standard.lower(graph).evaluate(named: ["x": operands[0]]) == evaluated)
  #expect(evaluated.map(\.count) == lengths.map { $0 * operands[0].count / 7 })
}

@Test(arguments: Seed.all)
func transposedConvolution(seed: Seed) throws {
  var random = RandomTensors(seed)
  for _ in 0..<20 {
    let rank = random.int(1...2)
    let (group, perGroup, outPerGroup) = (random.pick([1, 1, 2]), random.int(1...2), random.int(1...2))
    let kernel = (0..<rank).map { _ in random.int(1...4) }
    var attributes = [
      ints("strides", (0..<rank).map { _ in random.int(1...3) }), int("group", group),
      ints("dilations", (0..<rank).map { _ in random.int(1...2) }),
    ]
    switch random.int(0...3) {
    case 0: attributes.append(ints("output_padding", (0..<rank).map { _ in random.int(0...1) }))
    case 1: attributes.append(ints("output_shape", (0..<rank).map { _ in random.int(4...7) }))
    case 2: attributes.append(Attribute("auto_pad", .string("SAME_UPPER")))
    default: attributes.append(ints("pads", (0..<(2 * rank)).map { _ in 0 }))
    }
    let element = random.pick(floats)
    let x = try random.floats([2, group * perGroup] + (0..<rank).map { _ in random.int(2...4) }, element)
    let w = try random.floats([group * perGroup, outPerGroup] + kernel, element)
    let bias = random.flag() ? try random.floats([group * outPerGroup], element) : nil
    try check("ConvTranspose", attributes, [x, w, bias])
  }
}

@Test(arguments: Seed.all)
func norms(seed: Seed) throws {
  var random = RandomTensors(seed)
  for _ in 0..<6 {
    let element = random.pick(floats)
    let shape = [2, 3, random.pick([1, 7, 80])]
    let x = try random.floats(shape, element, edges: random.flag())
    let axis = random.int(-2...(-1))
    let inner = axis == -1 ? [shape[2]] : [3, 1]
    try check("LayerNormalization", [int("axis", axis)], [x, try random.floats(inner, element)])
    try check("RMSNormalization", [int("axis", axis)], [x, try random.floats(inner, element)])
    let parameters = [try random.floats(inner, element), try random.floats([shape[2]], element)]
    try check("LayerNormalization", [int("axis", axis)], [x] + parameters)
    try check(
      "InstanceNormalization", [], [x, try random.floats([3], element), try random.floats([3], element)])
    try check("LogSoftmax", [int("axis", axis)], [x])
  }
}
