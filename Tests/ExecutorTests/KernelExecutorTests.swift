import CKernels
import Executor
import KernelIR
import Support
import Tensors
import TestSupport
import Testing

/// A graph around one kernel. Its arguments are inputs, constants, or inputs in another order of dimensions that
/// a move puts right, so that the kernel meets other layouts than the row-major one.
struct KernelCase {
  var graph = KernelGraph(name: "case")
  var inputs: [Tensor] = []

  init() {}

  init(_ kernel: Kernel, _ arguments: [Tensor], _ random: inout SeededRandom) throws {
    var operands: [BufferID] = []
    // Inputs and constants come before results.
    var later: [(position: Int, kernel: Kernel, source: BufferID)] = []
    for argument in arguments {
      switch Int.random(in: 0..<3, using: &random) {
      case 0: operands.append(graph.constant(argument))
      case 1:
        operands.append(graph.input("x\(inputs.count)", argument.type))
        inputs.append(argument)
      default:
        let order = Array(argument.shape.indices).shuffled(using: &random)
        let (transposed, restore) = try Self.transpose(argument, order)
        let source = graph.input("x\(inputs.count)", transposed.type)
        inputs.append(transposed)
        later.append((operands.count, restore, source))
        operands.append(source)
      }
    }
    for (position, kernel, source) in later { operands[position] = graph.kernel(kernel, [source]) }
    let result = graph.kernel(kernel, operands, name: "y")
    // A second reader of the result, in row-major order again.
    let flat = graph.view(result, [kernel.result.shape.reduce(1, *)])
    graph.outputs = [result, flat]
  }

  /// The tensor with its dimensions in `order`, and the kernel that undoes it.
  static func transpose(_ tensor: Tensor, _ order: [Int]) throws -> (Tensor, Kernel) {
    func move(_ type: TensorType, _ maps: [Int], _ shape: [Int]) -> Kernel {
      var kernel = Kernel(.move, type.element)
      let axes = shape.enumerated().map { kernel.axis("d\($0)", $1) }
      kernel.operands = [Operand(type, maps.map { .axis(axes[$0]) }, box: shape.map { 0..<$0 })]
      return kernel
    }
    let shape = order.map { tensor.shape[$0] }
    let forth = move(tensor.type, tensor.shape.indices.map { order.firstIndex(of: $0) ?? 0 }, shape)
    let transposed = try KernelEvaluator.run(forth, [tensor])
    return (transposed, move(transposed.type, order, tensor.shape))
  }
}

struct KernelExecutorTests {
  static let options = [
    KernelExecutor.Options(threads: 1), KernelExecutor.Options(threads: 2),
    KernelExecutor.Options(threads: 2, level: 1), KernelExecutor.Options(threads: 1, level: 0),
  ]

  @Test(arguments: RandomKernel.Form.allCases, Seed.all)
  func `kernels give the bytes of the evaluator`(form: RandomKernel.Form, seed: Seed) throws {
    var random = seed.random
    for number in 0..<60 {
      let (kernel, arguments) = try RandomKernel.make(form: form, using: &random)
      let test = try KernelCase(kernel, arguments, &random)
      try Self.compare(test, "\(form) \(number)")
    }
  }

  /// Runs one after the other and at the same time, which take each other's blocks of memory.
  @Test(arguments: Seed.all)
  func `runs do not touch each other's memory`(seed: Seed) throws {
    var random = seed.random
    for _ in 0..<100 {
      let (graph, inputs) = try RandomKernelGraph.make(using: &random)
      let arguments = graph.inputs.compactMap { inputs[graph.buffers[$0].name] }
      let executor = try KernelExecutor(graph, KernelExecutor.Options(threads: 2))
      guard let expected = try? executor.run(arguments) else { continue }
      let named = try graph.evaluate(named: inputs)
      let found = Parallel.map(4, threads: 4) { _ in try? executor.run(arguments) }
      #expect(found.allSatisfy { $0 == expected }, "\(graph)")
      #expect(named == expected)
    }
  }

  static func compare(_ test: KernelCase, _ name: String) throws {
    var expected: [Tensor] = []
    var failure: Diagnostic.Kind?
    do {
      var named: [BufferID: Tensor] = [:]
      for (id, tensor) in zip(test.graph.inputs, test.inputs) { named[id] = tensor }
      let values = try test.graph.evaluate(named)
      expected = test.graph.outputs.map { values[$0] }
    } catch {
      failure = error.kind
    }
    for options in Self.options {
      do {
        let executor = try KernelExecutor(test.graph, options)
        let outputs = try executor.run(test.inputs)
        #expect(failure == nil, "\(name)")
        for (found, right) in zip(outputs, expected) where found != right {
          Issue.record("\(name) \(options): \(executor.choices): \(difference(found, right))\n\(test.graph)")
        }
      } catch {
        #expect(error.kind == failure, "\(name) \(options): \(error)")
      }
    }
  }
}

/// The first difference, and how many there are.
func difference(_ found: Tensor, _ expected: Tensor) -> String {
  guard found.type == expected.type else { return "\(found.type) instead of \(expected.type)" }
  let size = found.element.size
  let different = (0..<found.count).filter { index in
    found.bytes[(index * size)..<((index + 1) * size)].elementsEqual(
      expected.bytes[(index * size)..<((index + 1) * size)]) == false
  }
  guard let first = different.first else { return "none" }
  return "\(different.count) of \(found.count) elements of \(found.type), first \(first): \(found[first]), "
    + "expected \(expected[first])"
}
