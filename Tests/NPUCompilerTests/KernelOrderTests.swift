import KernelIR
import Machine
import NPUCompiler
import NPUISA
import TargetFiles
import Tensors
import Testing

@Suite struct KernelOrderTests {
  private func task(_ copies: Int, _ main: Int, reads: [Int]) -> KernelOrder.Task {
    var task = KernelOrder.Task(engines: 1, reads: reads)
    task.before[0] = copies
    task.main = main
    return task
  }

  /// A branch that is copied first comes behind one that is not, and both behind what they read.
  @Test func copiesPassBesideOtherBranches() {
    let tasks = [
      task(0, 10, reads: []), task(100, 10, reads: [0]), task(0, 40, reads: [0]), task(0, 50, reads: [2]),
      task(0, 5, reads: [1, 3]),
    ]
    #expect(KernelOrder(tasks, in: [0, 1, 2, 3, 4]).improved() == [0, 2, 3, 1, 4])
    #expect(KernelOrder(tasks, in: [0, 2, 3, 1, 4]).improved() == nil)
  }

  /// Without copies no order is better, and none is taken.
  @Test func workAloneKeepsItsOrder() {
    let tasks = [
      task(0, 10, reads: []), task(0, 20, reads: [0]), task(0, 30, reads: [0]), task(0, 5, reads: [1, 2]),
    ]
    #expect(KernelOrder(tasks, in: [0, 1, 2, 3]).improved() == nil)
  }

  /// A result that goes to DRAM holds up those alone that read it there.
  @Test func outputsLeaveBesideTheWork() {
    var first = task(0, 10, reads: [])
    first.after[0] = 1000
    first.isReadAfter = false
    let tasks = [first, task(0, 10, reads: []), task(0, 10, reads: [0])]
    #expect(KernelOrder(tasks, in: [1, 0, 2]).improved() == [0, 1, 2])
  }

  /// The shortcut of a downsampling block that comes first in the graph and has to be copied: the program has the branch run
  /// meanwhile, in another order of its kernels, and gives the same values.
  @Test func shortcutsThatAreCopiedComeLater() throws {
    let machine = try Targets.builtin("warboy-2pe").machine
    var chain = try ConvolutionChain(channels: 32, size: 16)
    try chain.convolve(to: 32, window: 3)
    let source = chain.last
    try chain.convolve(to: 64, stride: 2)
    let shortcut = chain.last
    chain.last = source
    try chain.convolve(to: 64, window: 3, stride: 2)
    try chain.convolve(to: 64, window: 3, adding: shortcut)
    let program = try NPUCompiler.compile(chain.finished, on: machine).program
    try chain.expectValues(program, on: machine)
    let order = program.run.contexts[0].map(\.kernel)
    #expect(order != order.sorted(), "\(order)")
  }

  /// A fire module: what the wide window needs of neighbouring tiles comes through the switch on sub, while main multiplies for the
  /// narrow one.
  @Test(arguments: [NPUCompiler.WeightMode.resident, .streamed]) func shiftsRunBesideAnotherBranch(
    weights: NPUCompiler.WeightMode
  ) throws {
    let machine = try Targets.builtin("warboy-2pe").machine
    var chain = try ConvolutionChain(channels: 64, size: 32)
    for _ in 0..<2 {
      try chain.convolve(to: 16)
      let squeezed = chain.last
      try chain.convolve(to: 64)
      let narrow = chain.last
      chain.last = squeezed
      try chain.convolve(to: 64, window: 3)
      chain.concatenate([narrow, chain.last])
    }
    var options = NPUCompiler.Options()
    options.weights = weights
    let program = try NPUCompiler.compile(chain.finished, on: machine, options).program
    try chain.expectValues(program, on: machine)
    let kinds = program.run.contexts[1].compactMap { instruction -> TensorInstruction.Exchange.Kind? in
      guard case .tensor(let body) = instruction.body, case .commit = body.sink else { return nil }
      return body.exchange.kind
    }
    // Halos, or blocks that are brought together.
    #expect(kinds.contains { $0 != .forward }, "\(kinds)")
  }
}
