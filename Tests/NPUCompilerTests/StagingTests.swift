import KernelIR
import Machine
import NPUCompiler
import NPUISA
import Support
import TargetFiles
import Testing

/// Where slices that share constants lie far apart and there is little room for copies, each holds a part, and the engines bring
/// the parts together beside the kernels before; the values are those of the kernels.
@Test(arguments: [(size: 14, kibibytes: 36), (28, 32)])
func constantsAreStagedBesideTheWork(size: Int, kibibytes: Int) throws {
  var machine = try Targets.builtin("warboy-2pe").machine
  machine.sramBytesPerSlice = kibibytes * 1024
  var chain = try ConvolutionChain(channels: 512, size: size)
  for _ in 0..<3 {
    let residual = chain.last
    try chain.convolve(to: 128)
    try chain.convolve(to: 128, window: 3)
    try chain.convolve(to: 512, adding: residual)
  }
  var options = NPUCompiler.Options()
  options.weights = .resident
  let result = try NPUCompiler.compile(chain.finished, on: machine, options)
  let placements = result.decisions.map(\.placement)
  #expect(placements.contains { $0.hasSuffix("staged") }, "\(placements)")
  try chain.expectValues(result.program, on: machine)
}
