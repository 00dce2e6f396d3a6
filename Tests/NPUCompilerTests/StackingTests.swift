import KernelIR
import Machine
import NPUCompiler
import NPUISA
import Support
import TargetFiles
import Tensors
import Testing

extension ConvolutionChain {
  /// The largest of two by two.
  fileprivate mutating func pool() {
    let type = graph.buffers[last].type
    var kernel = Kernel(.reduce(.maximum), .i8)
    let c = kernel.axis("c", type.shape[0])
    let rows = [kernel.axis("oh", type.shape[1] / 2), kernel.axis("ow", type.shape[2] / 2)]
    let taps = [kernel.axis("kh", 2, .window), kernel.axis("kw", 2, .window)]
    kernel.operands = [
      Operand(type, [.axis(c)] + zip(rows, taps).map { .axis($0, times: 2) + .axis($1) })
    ]
    last = graph.kernel(kernel, [last], node: "pool", name: "pool")
  }

  /// Channels are squeezed, then expanded in branches that are concatenated.
  fileprivate mutating func fire(_ squeezed: Int, _ expanded: [Int]) throws {
    try convolve(to: squeezed)
    let source = last
    var parts: [BufferID] = []
    for (index, columns) in expanded.enumerated() {
      last = source
      try convolve(to: columns, window: index % 2 == 0 ? 1 : 3)
      parts.append(last)
    }
    concatenate(parts)
  }
}

/// Branches of SqueezeNet stay where their channels are, through a pooling too: no instruction puts them together. Where not all
/// readers add over the channels, or parts differ, it is done as ever; values are right in any case.
@Test(arguments: [
  ([64, 64], false, true), ([64, 64], true, true), ([128, 128, 128], false, true), ([24, 24], true, true),
  ([96, 64], false, false),
])
func equalBranchesStayWhereTheirChannelsAre(columns: [Int], pools: Bool, isFree: Bool) throws {
  let machine = try Targets.builtin("warboy-2pe").machine
  var chain = try ConvolutionChain(channels: 64, size: 12)
  try chain.fire(16, columns)
  if pools { chain.pool() }
  try chain.fire(16, columns)
  try chain.convolve(to: 64)
  let compiled = try NPUCompiler.compile(chain.finished, on: machine)
  try chain.expectValues(compiled.program, on: machine)
  let concatenations = compiled.decisions.filter { compiled.program.kernels[$0.kernel].name == "concat" }
  #expect(concatenations.count == 2)
  for decision in concatenations where isFree {
    #expect(decision.placement.hasPrefix("d1 ") && decision.cycles.first == 0, "\(decision)")
  }
}

/// What is a result of the graph, or read in part, keeps its shape.
@Test func concatenationsThatOthersReadKeepTheirShape() throws {
  let machine = try Targets.builtin("warboy-2pe").machine
  var chain = try ConvolutionChain(channels: 64, size: 12)
  try chain.fire(16, [64, 64])
  let whole = chain.last
  try chain.convolve(to: 128)
  try chain.convolve(to: 128, adding: whole)
  let compiled = try NPUCompiler.compile(chain.finished, on: machine)
  try chain.expectValues(compiled.program, on: machine)
}
