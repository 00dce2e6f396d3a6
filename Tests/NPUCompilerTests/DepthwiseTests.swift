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

/// Packets of sixteen channels of which the last is half empty: the biases of channels that are not there are read
/// with the others, and must be defined.
@Test(arguments: [8, 17, 24, 40]) func depthwiseChannelsThatFillNoPacket(channels: Int) throws {
  var kernel = Kernel(.contract, .i32)
  let c = kernel.axis("c", channels)
  let y = kernel.axis("y", 6)
  let x = kernel.axis("x", 6)
  let taps = [kernel.axis("ky", 3, .window), kernel.axis("kx", 3, .window)]
  let input = TensorType(.i8, [channels, 6, 6])
  kernel.operands = [
    Operand(
      input, [.axis(c), .axis(y) + .axis(taps[0]) + -1, .axis(x) + .axis(taps[1]) + -1], outside: .fill(0)),
    Operand(TensorType(.i8, [channels, 3, 3]), [.axis(c), .axis(taps[0]), .axis(taps[1])]),
    Operand(TensorType(.i32, [channels]), [.axis(c)]),
  ]
  kernel.post = Program { $0.append(.add, $0.append(.input), $0.append(.operand(2))) }
  let arguments = try kernel.operands.map { operand in
    try Tensor(operand.type) { .i32(Int32($0 * 37 % 251) - 125) }
  }
  var graph = KernelGraph(name: "depthwise")
  let source = graph.input("x", input)
  let constants = arguments.dropFirst().map { graph.constant($0) }
  graph.outputs = [graph.kernel(kernel, [source] + constants, node: "depthwise", name: "y")]
  let machine = try Targets.builtin("warboy").machine
  let program = try NPUCompiler.compile(graph, on: machine).program
  #expect(NPUChecker.check(program, on: machine) == [])
  var interpreter = try NPUInterpreter(program, on: machine, mode: .strict)
  let result = try interpreter.run(inputs: ["x": arguments[0]])
  #expect(result.findings == [])
  #expect(result.outputs["y"] == (try KernelEvaluator.run(kernel, arguments)))
}

/// Windows that reach over two and three blocks: what they need comes through the switch, one pass for every distance, and no engine
/// copies anything between slices.
@Test(arguments: [2, 3, 5]) func dilatedWindowsAreFilledByTheSwitch(dilation: Int) throws {
  let machine = try Targets.builtin("warboy-2pe").machine
  var chain = try ConvolutionChain(channels: 16, size: 32)
  try chain.convolve(to: 16)
  try chain.convolve(to: 16, window: 3, dilation: dilation)
  let program = try NPUCompiler.compile(chain.finished, on: machine).program
  for case .dma(let body) in program.run.contexts.joined().map(\.body) {
    #expect(body.source.memory == .dram || body.destination.memory == .dram)
  }
  var distances: Set<Int> = []
  for case .tensor(let body) in program.run.contexts[0].map(\.body) where body.exchange.kind == .neighbours {
    distances.insert(Int(body.exchange.distance))
  }
  #expect(distances.count > 1 || dilation == 2, "\(distances)")
  try chain.expectValues(program, on: machine)
}
