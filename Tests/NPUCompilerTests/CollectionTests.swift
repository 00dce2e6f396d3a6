import KernelIR
import Machine
import NPUCompiler
import NPUISA
import NPUInterpreter
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

/// Where tiles lie far apart the blocks are copied, whole, to where they are neighbours, and the switch brings them together there: a
/// copy of all to all would take as long as the engines need for every slice's image.
@Test func blocksAreCopiedToWhereTheSwitchCollectsThem() throws {
  var chain = try ConvolutionChain(channels: 256, size: 28)
  try chain.convolve(to: 256)
  try chain.convolve(to: 256, window: 3, stride: 2)
  let machine = try Targets.builtin("warboy-2pe").machine
  var options = NPUCompiler.Options()
  options.weights = .resident
  let program = try NPUCompiler.compile(chain.finished, on: machine, options).program
  try chain.expectValues(program, on: machine, mode: .fast)
  var copied: Set<UInt32> = []
  for context in program.run.contexts.dropFirst(2) {
    for instruction in context {
      guard case .dma(let body) = instruction.body, body.source.memory == .sram,
        body.destination.memory == .sram
      else { continue }
      copied.insert(instruction.kernel)
    }
  }
  let collected = program.run.contexts[0].filter { instruction in
    guard case .tensor(let body) = instruction.body, case .commit = body.sink else { return false }
    return body.accumulate.kind == .none && body.exchange.kind == .broadcast1
  }
  #expect(collected.contains { copied.contains($0.kernel) }, "\(copied) \(collected.map(\.kernel))")
}
