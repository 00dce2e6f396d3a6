import KernelIR
import Machine
import NPUCompiler
import NPUISA
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
  let graph = chain.finished
  let machine = try Targets.builtin("warboy-2pe").machine
  let program = try NPUCompiler.compile(graph, on: machine).program
  #expect(program.kernels.count == (isThinned ? 3 : 2))
  try chain.expectValues(program, on: machine)
}
