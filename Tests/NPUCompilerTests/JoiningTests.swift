import KernelIR
import Machine
import NPUCompiler
import TargetFiles
import Testing

/// Cycles of the instructions of what puts the channels of branches one behind another, as in SqueezeNet and Inception. A branch
/// reads what all do, or the one before it.
private func cyclesOfConcatenation(
  _ branches: [(columns: Int, window: Int)], order: [Int], followEachOther: Bool = false
) throws -> Int? {
  let machine = try Targets.builtin("warboy-2pe").machine
  var chain = try ConvolutionChain(channels: 16, size: 55)
  try chain.convolve(to: 16)
  let source = chain.last
  var parts: [BufferID] = []
  for branch in branches {
    if !followEachOther { chain.last = source }
    try chain.convolve(to: branch.columns, window: branch.window)
    parts.append(chain.last)
  }
  chain.concatenate(order.map { parts[$0] })
  let compiled = try NPUCompiler.compile(chain.finished, on: machine)
  try chain.expectValues(compiled.program, on: machine)
  return compiled.decisions.last?.cycles.first
}

/// Branches that lie alike are written to where the concatenation has them, in any order, and the last may have any number of
/// channels; what precedes or follows an odd number is moved.
@Test(arguments: [
  ([64, 64], [0, 1], true), ([64, 32, 24], [2, 0, 1], true), ([64, 12], [0, 1], true),
  ([64, 12], [1, 0], false), ([12, 12], [0, 1], false),
])
func branchesAreWrittenToTheirPlaces(columns: [Int], order: [Int], isFree: Bool) throws {
  let branches = columns.enumerated().map { ($1, $0 % 2 == 0 ? 1 : 3) }
  let cycles = try cyclesOfConcatenation(branches, order: order)
  #expect((cycles == 0) == isFree, "\(cycles ?? -1)")
}

/// A branch may read another out of the tile that both are written to.
@Test func branchesMayFollowEachOther() throws {
  let cycles = try cyclesOfConcatenation(
    [(32, 3), (32, 1), (32, 3)], order: [0, 1, 2], followEachOther: true)
  #expect(cycles == 0)
}
