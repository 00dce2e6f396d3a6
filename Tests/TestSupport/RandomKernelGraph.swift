import KernelIR
import Support
import Tensors

/// Small valid graphs of kernels with their inputs: a random kernel, then maps that read results at their own
/// point, broadcast them or read them twice, copies and views between. Equal for equal seeds.
public enum RandomKernelGraph {
  /// - Parameter integerTarget: as for `RandomKernel`.
  /// - Throws: nothing unless the generator has a bug.
  public static func make(
    integerTarget: Bool = false, using random: inout SeededRandom
  ) throws -> (graph: KernelGraph, inputs: [String: Tensor]) {
    var builder = GraphGenerator(random: random, integerTarget: integerTarget)
    try builder.build()
    random = builder.random
    return (builder.graph.canonical, builder.inputs)
  }
}

private struct GraphGenerator {
  var random: SeededRandom
  let integerTarget: Bool
  var graph = KernelGraph(name: "random")
  var inputs: [String: Tensor] = [:]
  var results: [BufferID] = []

  init(random: SeededRandom, integerTarget: Bool) {
    self.random = random
    self.integerTarget = integerTarget
  }

  mutating func chance(_ percent: Int) -> Bool { Int.random(in: 1...100, using: &random) <= percent }

  mutating func build() throws {
    for _ in 0..<Int.random(in: 1...2, using: &random) {
      let forms: [RandomKernel.Form] = [.contract, .contract, .reduce, .map, .move, .gather]
      let form = forms[Int.random(in: 0..<forms.count, using: &random)]
      let (kernel, arguments) = try RandomKernel.make(
        form: form, integerTarget: integerTarget, using: &random)
      append(kernel, arguments.map { argument($0) })
    }
    for _ in 0..<Int.random(in: 1...5, using: &random) {
      if chance(10) { view() } else { try map() }
    }
    graph.outputs = [results[results.count - 1]]
    for result in results.dropLast() where chance(15) { graph.outputs.append(result) }
  }

  /// The argument as an input or a constant.
  private mutating func argument(_ tensor: Tensor) -> BufferID {
    if chance(50) { return graph.constant(tensor, name: chance(30) ? "c" : "") }
    let name = "x\(inputs.count)"
    inputs[name] = tensor
    return graph.input(name, tensor.type)
  }

  private mutating func append(_ kernel: Kernel, _ operands: [BufferID]) {
    let number = graph.nodes.count
    let sources = chance(20) ? [number, number + 1] : [number]
    results.append(
      graph.kernel(kernel, operands, node: "node\(number)", sources: sources, name: "y\(number)"))
  }

  private mutating func view() {
    let buffer = recent()
    let count = graph.buffers[buffer].type.shape.reduce(1, *)
    results.append(graph.view(buffer, chance(50) ? [count] : [1, count, 1], node: "view"))
  }

  private mutating func recent() -> BufferID {
    chance(75) ? results[results.count - 1] : results[Int.random(in: 0..<results.count, using: &random)]
  }

  private mutating func map() throws {
    let main = recent()
    let type = graph.buffers[main].type
    var generator = KernelGenerator(random: random, integerTarget: integerTarget)
    generator.kernel = Kernel(.map, generator.pick(generator.elements))
    let axes = generator.axes("i", type.shape)
    var program = Program(steps: [], result: .none)
    var buffers = [main]
    var value = try generator.read(&program, type, axes)
    if generator.chance(25) {
      // The same value or another of its shape once more, sometimes at another point.
      let others = results.filter { graph.buffers[$0].type.shape == type.shape }
      let other = generator.pick(others)
      buffers.append(other)
      let reverses = generator.chance(20)
      var second = try generator.read(&program, graph.buffers[other].type, axes, reverses: reverses)
      if value.kind == .integer { value = try generator.widen(&program, value, []) }
      if second.kind == .integer { second = try generator.widen(&program, second, []) }
      value.register = program.append(generator.pick([.add, .multiply]), value.register, second.register)
    }
    try generator.finish(&program, value, axes: axes, steps: generator.int(0...4))
    random = generator.random
    let others = generator.arguments.dropFirst(buffers.count).map { argument($0) }
    append(generator.kernel, buffers + others)
  }
}

extension KernelGenerator {
  /// A new operand of this type, read at its own point or with its first dimension reversed.
  fileprivate mutating func read(
    _ program: inout Program, _ type: TensorType, _ axes: [AxisID], reverses: Bool = false
  ) throws -> Value {
    var maps = axes.map { AffineMap.axis($0) }
    if reverses, let first = axes.first {
      maps[0] = .axis(first, times: -1) + AffineMap(kernel.axes[first].extent - 1)
    }
    kernel.operands.append(Operand(type, maps, pre: preProgram(type.element)))
    arguments.append(try Tensor(type) { _ in })
    let index = kernel.operands.count - 1
    return Value(
      register: program.append(.operand(index)), kind: try kernel.valueKind(of: kernel.operands[index]))
  }
}
