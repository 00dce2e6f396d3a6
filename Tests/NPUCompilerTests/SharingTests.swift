import KernelIR
import Machine
import NPUCompiler
import NPUISA
import Support
import TargetFiles
import Testing

/// Bottlenecks with many channels and few pixels: channels and columns are cut over digits beside each other, and sums are dealt
/// out in fewer parts than there are slices, neighbours having the same part or the parts in turn.
@Test(arguments: ["warboy", "warboy-2pe"])
func manyChannelsAreCutTogetherWithColumns(target: String) throws {
  let machine = try Targets.builtin(target).machine
  var (repeats, alternates, alls) = (0, 0, 0)
  for (channels, inner, size) in [(512, 256, 7), (512, 64, 7), (16, 64, 14), (16, 64, 12)] {
    var chain = try ConvolutionChain(channels: channels, size: size)
    try chain.addBottlenecks(inner: inner)
    let program = try NPUCompiler.compile(chain.finished, on: machine).program
    for instruction in program.run.contexts[0] {
      guard case .tensor(let body) = instruction.body, body.reducer.kind == .sum else { continue }
      if body.reducer.output == .all { alls += 1 }
      if body.reducer.parts > 1, body.reducer.repeats > 1 {
        repeats += 1
        if body.reducer.alternates { alternates += 1 }
      }
    }
    try chain.expectValues(program, on: machine)
  }
  #expect(repeats > 0 && alternates > 0 && alls > 0, "\(repeats), \(alternates), \(alls)")
}
