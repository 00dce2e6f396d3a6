import KernelIR
import Machine
import NPUCompiler
import NPUISA
import Support
import TargetFiles
import Tensors
import Testing

/// Blocks of image networks, at sizes where tiles and channels are cut over the slices in turn: what neighbours have comes
/// through the switch, and the values are those of the kernels.
@Test func blocksAreBroughtTogetherByTheSwitch() throws {
  var options = NPUCompiler.Options()
  options.effort = 64
  var chains: [ConvolutionChain] = []
  for (channels, inner, size) in [(16, 64, 14), (128, 16, 10), (24, 48, 16), (48, 96, 20)] {
    var chain = try ConvolutionChain(channels: channels, size: size)
    try chain.convolve(to: channels)
    try chain.addBottlenecks(inner: inner)
    try chain.convolve(to: 2 * inner)
    try chain.convolve(to: 2 * inner, window: 3)
    chains.append(chain)
  }
  let machine = try Targets.builtin("warboy-2pe").machine
  var kinds: Set<TensorInstruction.Exchange.Kind> = []
  for (chain, weights) in chains.flatMap({ [($0, NPUCompiler.WeightMode.resident), ($0, .streamed)] }) {
    let graph = chain.finished
    options.weights = weights
    let program = try NPUCompiler.compile(graph, on: machine, options).program
    for instruction in program.run.contexts[0] {
      guard case .tensor(let body) = instruction.body, case .commit = body.sink,
        body.accumulate.kind == .none
      else { continue }
      kinds.insert(body.exchange.kind)
    }
    try chain.expectValues(program, on: machine)
  }
  #expect(kinds.isSuperset(of: [.broadcast1, .interTranspose]), "\(kinds)")
}
