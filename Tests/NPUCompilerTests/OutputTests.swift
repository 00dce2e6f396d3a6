import Machine
import NPUCompiler
import NPUISA
import TargetFiles
import Testing

/// Parts of rows are joined by the switch on their way to DRAM, where each would take a granule.
@Test(arguments: [112, 224]) func partsOfRowsAreJoinedOnTheirWayOut(size: Int) throws {
  let machine = try Targets.builtin("warboy-2pe").machine
  var chain = try ConvolutionChain(channels: 1, size: size)
  for _ in 0..<3 { try chain.convolve(to: 1, window: 3) }
  let program = try NPUCompiler.compile(chain.finished, on: machine).program
  guard case .tensor(let last) = program.run.contexts[0].last?.body else {
    Issue.record("no instruction")
    return
  }
  #expect(last.exchange.kind == .broadcast1)
  var runs = 0
  for case .dma(let body) in program.run.contexts.dropFirst(2).joined().map(\.body)
  where body.destination.memory == .dram {
    runs += body.runs
  }
  #expect(runs > 0 && runs <= size * size / 56, "\(runs)")
  try chain.expectValues(program, on: machine)
}
