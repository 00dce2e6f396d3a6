import Executor
import KernelIR
import Machine
import NPUChecker
import NPUISA
import NPUInterpreter
import Support
import Tensors
import Testing

/// A chain of i8 convolutions over [channels, size, size].
struct ConvolutionChain {
  var graph = KernelGraph(name: "chain")
  var input: Tensor
  /// What the next convolution reads.
  var last: BufferID

  init(channels: Int, size: Int) throws {
    self.init(input: try Self.values([channels, size, size]))
  }

  /// From an input whose channels are its last dimension, which a move makes the first.
  init(pixelsOf channels: Int, size: Int) throws {
    self.init(input: try Self.values([size, size, channels]))
    var move = Kernel(.move, .i8)
    let c = move.axis("c", channels)
    let rows = [move.axis("h", size), move.axis("w", size)]
    move.operands = [
      Operand(
        input.type, rows.map { .axis($0) } + [.axis(c)],
        box: move.axes(.parallel).map { 0..<move.axes[$0].extent })
    ]
    last = graph.kernel(move, [last], node: "channels first")
  }

  private init(input: Tensor) {
    self.input = input
    last = graph.input("x", input.type)
  }

  private static func values(_ shape: [Int]) throws -> Tensor {
    try Tensor(TensorType(.i8, shape)) { .i32(Int32($0 * 41 % 255) - 127) }
  }

  mutating func convolve(
    to columns: Int, window: Int = 1, stride: Int = 1, dilation: Int = 1, adding residual: BufferID? = nil
  ) throws {
    let shape = graph.buffers[last].type.shape
    let extent = (shape[1] + stride - 1) / stride
    var kernel = Kernel(.contract, .i8)
    let co = kernel.axis("co", columns)
    let rows = [kernel.axis("oh", extent), kernel.axis("ow", extent)]
    let taps = [kernel.axis("kh", window, .window), kernel.axis("kw", window, .window)]
    let ci = kernel.axis("ci", shape[0], .reduce)
    let places = zip(rows, taps).map {
      AffineMap.axis($0, times: stride) + .axis($1, times: dilation) + AffineMap(-(window / 2 * dilation))
    }
    kernel.operands = [
      Operand(
        TensorType(.i8, shape), [.axis(ci)] + places, outside: window > 1 ? .fill(0) : .never),
      Operand(
        TensorType(.i8, [columns, shape[0], window, window]), [.axis(co), .axis(ci)] + taps.map { .axis($0) }),
      Operand(TensorType(.i32, [columns]), [.axis(co)]),
    ]
    var operands = [last]
    for operand in kernel.operands.dropFirst() {
      operands.append(graph.constant(try Tensor(operand.type) { .i32(Int32($0 * 37 % 15) - 7) }))
    }
    if let residual {
      kernel.operands.append(
        Operand(graph.buffers[residual].type, [.axis(co)] + rows.map { .axis($0) }))
      operands.append(residual)
    }
    kernel.post = Program { program in
      let sum = program.append(.add, program.append(.input), program.append(.operand(2)))
      let scaled = program.append(.shiftRight, sum, program.append(constant: Int32(7)))
      return residual == nil ? scaled : program.append(.add, scaled, program.append(.operand(3)))
    }
    let name = "v\(graph.nodes.count)"
    last = graph.kernel(kernel, operands, node: name, name: name)
  }

  /// Two bottlenecks of a residual network, then the window of the next with half of the rows and columns.
  mutating func addBottlenecks(inner: Int) throws {
    let channels = graph.buffers[last].type.shape[0]
    for _ in 0..<2 {
      let residual = last
      try convolve(to: inner)
      try convolve(to: inner, window: 3)
      try convolve(to: channels, adding: residual)
    }
    try convolve(to: inner, window: 3, stride: 2)
  }

  /// The channels of results, one behind another.
  mutating func concatenate(_ parts: [BufferID]) {
    let types = parts.map { graph.buffers[$0].type }
    var kernel = Kernel(.move, .i8)
    let axes =
      [kernel.axis("c", types.reduce(0) { $0 + $1.shape[0] })]
      + types[0].shape.dropFirst().enumerated().map { kernel.axis("d\($0)", $1) }
    var start = 0
    for type in types {
      kernel.operands.append(
        Operand(
          type, [.axis(axes[0]) + AffineMap(-start)] + axes.dropFirst().map { .axis($0) },
          box: [start..<(start + type.shape[0])] + type.shape.dropFirst().map { 0..<$0 }))
      start += type.shape[0]
    }
    last = graph.kernel(kernel, parts, node: "concat", name: "concat")
  }

  /// The graph with the last result as its output.
  var finished: KernelGraph {
    var graph = graph
    graph.outputs = [last]
    return graph
  }

  /// Expects of a program of the chain that the checker is content, and that the interpreter gives what the kernels do.
  func expectValues(
    _ program: NPUProgram, on machine: SliceMachine, mode: NPUInterpreter.Mode = .strict
  ) throws {
    #expect(NPUChecker.check(program, on: machine) == [])
    var interpreter = try NPUInterpreter(program, on: machine, mode: mode)
    _ = try interpreter.load()
    let result = try interpreter.run(inputs: ["x": input])
    #expect(result.findings == [])
    let expected = try KernelExecutor(finished, .init(threads: 1)).run([input])
    #expect(result.outputs[finished.buffers[last].name] == expected[0])
  }
}
