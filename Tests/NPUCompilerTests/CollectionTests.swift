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

/// Blocks of image networks, at sizes where tiles and channels are cut over the slices in turn: what neighbours have comes
/// through the switch, and the values are those of the kernels.
@Test(arguments: [NPUCompiler.WeightMode.resident, .streamed])
func blocksAreBroughtTogetherByTheSwitch(weights: NPUCompiler.WeightMode) throws {
  var options = NPUCompiler.Options()
  options.weights = weights
  var chains: [ConvolutionChain] = []
  for (channels, inner, size) in [(16, 64, 14), (128, 16, 10), (24, 48, 16)] {
    var chain = try ConvolutionChain(channels: channels, size: size)
    try chain.convolve(to: channels)
    for _ in 0..<2 {
      let residual = chain.last
      try chain.convolve(to: inner)
      try chain.convolve(to: inner, window: 3)
      try chain.convolve(to: channels, adding: residual)
    }
    try chain.convolve(to: inner, window: 3, stride: 2)
    chains.append(chain)
  }
  let machine = try Targets.builtin("warboy-2pe").machine
  var kinds: Set<TensorInstruction.Exchange.Kind> = []
  for chain in chains {
    var graph = chain.graph
    graph.outputs = [chain.last]
    let program = try NPUCompiler.compile(graph, on: machine, options).program
    #expect(NPUChecker.check(program, on: machine) == [])
    for instruction in program.run.contexts[0] {
      guard case .tensor(let body) = instruction.body, case .commit = body.sink,
        body.accumulate.kind == .none
      else { continue }
      kinds.insert(body.exchange.kind)
    }
    var interpreter = try NPUInterpreter(program, on: machine, mode: .strict)
    _ = try interpreter.load()
    let result = try interpreter.run(inputs: ["x": chain.input])
    #expect(result.findings == [])
    let expected = try KernelExecutor(graph, .init(threads: 1)).run([chain.input])
    #expect(result.outputs[graph.buffers[chain.last].name] == expected[0])
  }
  #expect(kinds.isSuperset(of: [.broadcast1, .interTranspose]), "\(kinds)")
}
