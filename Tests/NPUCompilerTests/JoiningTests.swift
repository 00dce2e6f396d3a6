import Executor
import KernelIR
import Machine
import NPUChecker
import NPUCompiler
import NPUISA
import NPUInterpreter
import Support
import TargetFiles
import Tensors
import Testing

/// The branches of a module and what puts their channels one behind another, as in SqueezeNet and Inception.
private struct Module {
  private(set) var graph = KernelGraph(name: "module")
  let input: Tensor
  private var source: BufferID
  private var parts: [BufferID] = []

  init(channels: Int, size: Int) throws {
    input = try Tensor(TensorType(.i8, [channels, size, size])) { .i32(Int32($0 * 41 % 255) - 127) }
    source = graph.input("x", input.type)
    source = try convolution(to: channels, window: 1)
  }

  mutating func branch(to columns: Int, window: Int) throws {
    parts.append(try convolution(to: columns, window: window))
  }

  /// What follows reads the last branch.
  mutating func goOn() { source = parts[parts.count - 1] }

  private mutating func convolution(to columns: Int, window: Int) throws -> BufferID {
    let shape = graph.buffers[source].type.shape
    var kernel = Kernel(.contract, .i8)
    let co = kernel.axis("co", columns)
    let rows = [kernel.axis("oh", shape[1]), kernel.axis("ow", shape[2])]
    let taps = [kernel.axis("kh", window, .window), kernel.axis("kw", window, .window)]
    let ci = kernel.axis("ci", shape[0], .reduce)
    let places = zip(rows, taps).map { AffineMap.axis($0) + .axis($1) + AffineMap(-(window / 2)) }
    kernel.operands = [
      Operand(TensorType(.i8, shape), [.axis(ci)] + places, outside: window > 1 ? .fill(0) : .never),
      Operand(
        TensorType(.i8, [columns, shape[0], window, window]), [.axis(co), .axis(ci)] + taps.map { .axis($0) }),
    ]
    kernel.post = Program { program in
      program.append(.shiftRight, program.append(.input), program.append(constant: Int32(6)))
    }
    let weights = graph.constant(try Tensor(kernel.operands[1].type) { .i32(Int32($0 * 37 % 15) - 7) })
    return graph.kernel(kernel, [source, weights], node: "branch", name: "b\(graph.nodes.count)")
  }

  /// The channels of all branches, in this order of them.
  mutating func concatenate(_ order: [Int]) {
    let types = order.map { graph.buffers[parts[$0]].type }
    let (total, rows, columns) = (types.reduce(0) { $0 + $1.shape[0] }, types[0].shape[1], types[0].shape[2])
    var kernel = Kernel(.move, .i8)
    let axes = [kernel.axis("c", total), kernel.axis("h", rows), kernel.axis("w", columns)]
    var start = 0
    for type in types {
      kernel.operands.append(
        Operand(
          type, [.axis(axes[0]) + AffineMap(-start), .axis(axes[1]), .axis(axes[2])],
          box: [start..<(start + type.shape[0]), 0..<rows, 0..<columns]))
      start += type.shape[0]
    }
    graph.outputs = [graph.kernel(kernel, order.map { parts[$0] }, node: "concat", name: "y")]
  }

  /// - Returns: cycles of the instructions of the concatenation.
  func cycles(on machine: SliceMachine) throws -> Int? {
    let compiled = try NPUCompiler.compile(graph, on: machine)
    let program = compiled.program
    #expect(NPUChecker.check(program, on: machine) == [])
    var interpreter = try NPUInterpreter(program, on: machine, mode: .strict)
    _ = try interpreter.load()
    let result = try interpreter.run(inputs: ["x": input])
    #expect(result.findings == [])
    let expected = try KernelExecutor(graph, .init(threads: 1)).run([input])
    #expect(result.outputs["y"] == expected[0])
    return compiled.decisions.last?.cycles.first
  }
}

/// Branches that lie alike are written to where the concatenation has them, in any order, and the last may have any number of
/// channels; what precedes or follows an odd number is moved.
@Test(arguments: [
  ([64, 64], [0, 1], true), ([64, 32, 24], [2, 0, 1], true), ([64, 12], [0, 1], true),
  ([64, 12], [1, 0], false), ([12, 12], [0, 1], false),
])
func branchesAreWrittenToTheirPlaces(columns: [Int], order: [Int], isFree: Bool) throws {
  let machine = try Targets.builtin("warboy-2pe").machine
  var module = try Module(channels: 16, size: 55)
  for (index, count) in columns.enumerated() { try module.branch(to: count, window: index % 2 == 0 ? 1 : 3) }
  module.concatenate(order)
  let cycles = try module.cycles(on: machine)
  #expect((cycles == 0) == isFree, "\(cycles ?? -1)")
}

/// A branch may read another out of the tile that both are written to.
@Test func branchesMayFollowEachOther() throws {
  let machine = try Targets.builtin("warboy-2pe").machine
  var module = try Module(channels: 16, size: 55)
  for window in [3, 1, 3] {
    try module.branch(to: 32, window: window)
    module.goOn()
  }
  module.concatenate([0, 1, 2])
  #expect(try module.cycles(on: machine) == 0)
}
