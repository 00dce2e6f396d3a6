import KernelIR
import Support
import Tensors
import TestSupport
import Testing

/// Fused and unfused graphs compute equal bytes, and fusion does happen.
@Test(arguments: Seed.all)
func fusionChangesNoBit(seed: Seed) throws {
  var random = seed.random
  var absorbed = 0
  for _ in 0..<400 {
    let (graph, inputs) = try RandomKernelGraph.make(using: &random)
    let fused = graph.fused()
    absorbed += graph.nodes.count - fused.nodes.count
    try #require(fused.verify().isEmpty, "\(fused.verify()) \(graph) \(fused)")
    let (expected, found) = (try graph.evaluate(named: inputs), try fused.evaluate(named: inputs))
    try #require(expected == found, "\(graph) \(fused)")
    try #require(fused.fused() == fused)
  }
  #expect(absorbed > 200)
}

/// conv -> relu -> + x -> relu is one kernel; every value that it swallows keeps its rounding.
@Test func residualBlockBecomesOneKernel() throws {
  var graph = KernelGraph(name: "block")
  let type = TensorType(.bf16, [2, 3])
  let (x, w) = (graph.input("x", type), graph.input("w", TensorType(.bf16, [3, 3])))
  var product = Kernel(.contract, .bf16)
  let (row, column) = (product.axis("m", 2), product.axis("n", 3))
  let k = product.axis("k", 3, .reduce)
  product.operands = [
    Operand(type, [.axis(row), .axis(k)]), Operand(TensorType(.bf16, [3, 3]), [.axis(k), .axis(column)]),
  ]
  let conv = graph.kernel(product, [x, w], node: "conv", sources: [0])
  let first = graph.kernel(
    pointwise(type, 1) { relu(&$0, $0.append(.operand(0))) }, [conv], node: "relu", sources: [1])
  let sum = pointwise(type, 2) { $0.append(.add, $0.append(.operand(0)), $0.append(.operand(1))) }
  let added = graph.kernel(sum, [x, first], node: "add", sources: [2])
  graph.outputs = [
    graph.kernel(
      pointwise(type, 1) { relu(&$0, $0.append(.operand(0))) }, [added], node: "relu2", sources: [3],
      name: "y")
  ]
  let fused = graph.fused()
  try #require(fused.nodes.count == 1)
  let node = fused.nodes[KernelID(rawValue: 0)]
  #expect(node.name == "conv")
  #expect(node.sources == [0, 1, 2, 3])
  #expect(fused.buffers[fused.outputs[0]].name == "y")
  let kernel = try #require(node.kernel)
  #expect(kernel.form == .contract && kernel.operands.count == 3)
  let conversions = kernel.post.steps.ids.filter {
    if case .convert(.bf16, _) = kernel.post.steps[$0] { true } else { false }
  }
  #expect(conversions.count == 3)
}

/// What another node or an output still reads, or a map reads at another point, is not composed.
@Test func sharedAndShiftedValuesStay() throws {
  let type = TensorType(.f32, [4])
  func nodes(shared: Bool, reversed: Bool, output: Bool) -> Int {
    var graph = KernelGraph(name: "g")
    let x = graph.input("x", type)
    let a = graph.kernel(pointwise(type, 1) { $0.append(.exp, $0.append(.operand(0))) }, [x])
    var second = pointwise(type, 1) { $0.append(.negate, $0.append(.operand(0))) }
    if reversed { second.operands[0].maps = [.axis(AxisID(rawValue: 0), times: -1) + 3] }
    let b = graph.kernel(second, [a])
    graph.outputs = output ? [b, a] : [b]
    if shared { graph.outputs.append(graph.kernel(second, [a])) }
    return graph.fused().nodes.count
  }
  #expect(nodes(shared: false, reversed: false, output: false) == 1)
  #expect(nodes(shared: true, reversed: false, output: false) == 3)
  #expect(nodes(shared: false, reversed: true, output: false) == 2)
  #expect(nodes(shared: false, reversed: false, output: true) == 2)
}

@Test func targetsMayRefuseACompositon() throws {
  var random = SeededRandom(seed: 3)
  for _ in 0..<50 {
    let (graph, _) = try RandomKernelGraph.make(using: &random)
    let fused = graph.fused { _ in false }
    #expect(fused.nodes.count == graph.nodes.count)
    #expect(fused.nodes.ids.allSatisfy { fused.nodes[$0].kernel?.form == graph.nodes[$0].kernel?.form })
  }
}

/// Tables change no bit, and kernels of one small value do get them.
@Test(arguments: Seed.all)
func tabulationChangesNoBit(seed: Seed) throws {
  var random = seed.random
  var changed = 0
  for round in 0..<900 {
    let form: RandomKernel.Form = round.isMultiple(of: 3) ? .contract : .map
    let (kernel, arguments) = try RandomKernel.make(form: form, using: &random)
    let tabulated = kernel.tabulated()
    guard tabulated != kernel else { continue }
    changed += 1
    try #require(tabulated.verify().isEmpty, "\(tabulated)")
    try #require(
      try KernelEvaluator.run(tabulated, arguments) == KernelEvaluator.run(kernel, arguments),
      "\(kernel) \(tabulated)")
  }
  #expect(changed > 50)
}

/// sigmoid of a dequantized i8, quantized: 256 entries for the stored byte itself.
@Test func functionOfOneByteIsATable() throws {
  var kernel = pointwise(TensorType(.i8, [5]), 1) { program in
    let scale = program.append(constant: Float(0.05))
    let value = program.append(.sigmoid, program.append(.operand(0)))
    return program.append(.quantize(value, scale: scale, zeroPoint: -128, low: -128, high: 127))
  }
  kernel.operands[0].pre = Program {
    $0.append(.dequantize($0.append(.input), scale: $0.append(constant: Float(0.1)), zeroPoint: 3))
  }
  let tabulated = kernel.tabulated()
  #expect(tabulated.tables.map(\.entries.count) == [256])
  #expect(tabulated.post.steps.count == 2)
  let bytes = try integers(.i8, [5], [-128, -1, 0, 3, 127])
  #expect(try KernelEvaluator.run(tabulated, [bytes]) == KernelEvaluator.run(kernel, [bytes]))
}

/// A map over operands of one type, all read at the point of the result.
private func pointwise(
  _ type: TensorType, _ operands: Int, _ build: (inout Program) -> Register
) -> Kernel {
  var kernel = Kernel(.map, type.element)
  let axes = type.shape.map { kernel.axis("i", $0) }
  kernel.operands = [Operand](repeating: Operand(type, axes.map { .axis($0) }), count: operands)
  kernel.post = Program(build)
  return kernel
}

private func relu(_ program: inout Program, _ value: Register) -> Register {
  program.append(.maximum, value, program.append(constant: Float(0)))
}

/// Constants of one element are immediates of the programs that read them, and lose no bit on the way.
@Test(arguments: [ElementType.f32, .f16, .bf16, .f8e4m3])
func scalarsBecomeImmediates(element: ElementType) throws {
  var graph = KernelGraph(name: "scalars")
  let type = TensorType(.f32, [1, 5])
  let x = graph.input("x", type)
  let scalar = try Tensor(TensorType(.f32, [1, 1]), [Float(0.3)]).converted(to: element)
  let factor = graph.constant(scalar)
  var kernel = Kernel(.map, .f32)
  let axes = [kernel.axis("a", 1), kernel.axis("b", 5)]
  kernel.operands = [Operand(type, axes.map { .axis($0) }), Operand(scalar.type, [0, 0])]
  kernel.post = Program { $0.append(.multiply, $0.append(.operand(0)), $0.append(.operand(1))) }
  graph.outputs = [graph.kernel(kernel, [x, factor], name: "y")]
  let fused = graph.fused()
  try #require(fused.verify().isEmpty)
  #expect(fused.nodes[KernelID(rawValue: 0)].operands.count == 1)
  let inputs = ["x": try Tensor(type, [Float(1), -2, 0.1, .nan, -0.0])]
  #expect(try graph.evaluate(named: inputs) == fused.evaluate(named: inputs))
}
