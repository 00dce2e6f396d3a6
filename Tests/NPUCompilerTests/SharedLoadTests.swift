import KernelIR
import Machine
import NPUCompiler
import NPUISA
import Support
import TargetFiles
import Testing

/// Constants that stay in SRAM come to the register file and the vector registers for several kernels at once, and the values
/// are those of the kernels; those that stream come for each kernel alone.
@Test(arguments: [NPUCompiler.WeightMode.resident, .streamed])
func kernelsInARowShareLoads(weights: NPUCompiler.WeightMode) throws {
  var chain = try ConvolutionChain(channels: 16, size: 16)
  for _ in 0..<6 {
    try chain.convolve(to: 16)
    try chain.convolve(to: 16, window: 3)
  }
  let graph = chain.finished
  let machine = try Targets.builtin("warboy-2pe").machine
  var options = NPUCompiler.Options()
  options.weights = weights
  let program = try NPUCompiler.compile(graph, on: machine, options).program
  var loads = (units: 0, words: 0)
  for instruction in program.run.contexts[1] {
    guard case .tensor(let body) = instruction.body else { continue }
    switch body.sink {
    case .registerFile: loads.units += 1
    case .vectorRegisters: loads.words += 1
    case .commit, .tables: break
    }
  }
  if weights == .resident {
    // A half of the vector registers has the words of all.
    #expect(loads.words == 1)
    #expect(loads.units < 12)
  } else {
    #expect(loads.words == 12)
    #expect(loads.units >= 12)
  }
  try chain.expectValues(program, on: machine)
}
