import Executor
import KernelIR
import Machine
import NPUChecker
import NPUCompiler
import NPUISA
import NPUInterpreter
import Support
import TargetFiles
import Testing

/// A 1 × 1 convolution that reads every other row and column of a large value reads what a kernel before it left of them; of a
/// small value it reads what it needs where it lies.
@Test(arguments: [(channels: 64, isThinned: true), (16, false)])
func stridedShortcutsAreThinnedOut(channels: Int, isThinned: Bool) throws {
  var chain = try ConvolutionChain(channels: channels, size: 33)
  try chain.convolve(to: channels)
  try chain.convolve(to: channels, stride: 2)
  var graph = chain.graph
  graph.outputs = [chain.last]
  let machine = try Targets.builtin("warboy-2pe").machine
  let program = try NPUCompiler.compile(graph, on: machine).program
  #expect(program.kernels.count == (isThinned ? 3 : 2))
  #expect(NPUChecker.check(program, on: machine) == [])
  var interpreter = try NPUInterpreter(program, on: machine, mode: .strict)
  _ = try interpreter.load()
  let result = try interpreter.run(inputs: ["x": chain.input])
  #expect(result.findings == [])
  let expected = try KernelExecutor(graph, .init(threads: 1)).run([chain.input])
  #expect(result.outputs[graph.buffers[chain.last].name] == expected[0])
}
