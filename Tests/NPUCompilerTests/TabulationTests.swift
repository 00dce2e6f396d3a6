import KernelIR
import Machine
import NPUCompiler
import NPUISA
import Support
import TargetFiles
import Tensors
import Testing

extension ConvolutionChain {
  /// A convolution whose i8 result goes on through x · sigmoid(x).
  fileprivate mutating func convolveAndWeigh(to columns: Int, zeroPoint: Int32 = 18) throws {
    try convolve(to: columns)
    let id = try #require(graph.nodes.ids.last)
    var node = graph.nodes[id]
    var kernel = try #require(node.kernel)
    kernel.post = Program { program in
      let sum = program.append(.add, program.append(.input), program.append(.operand(2)))
      let stored = program.append(
        .requant(
          sum, multiplier: program.append(constant: Int32(1 << 30)),
          shift: program.append(constant: Int32(37)),
          zeroPoint: zeroPoint, low: -128, high: 127))
      let value = program.append(
        .dequantize(stored, scale: program.append(constant: Float(0.031)), zeroPoint: zeroPoint))
      let weighed = program.append(.multiply, value, program.append(.sigmoid, value))
      return program.append(
        .quantize(
          weighed, scale: program.append(constant: Float(0.017)), zeroPoint: -58, low: -128, high: 127))
    }
    node.body = .kernel(kernel)
    graph.nodes[id] = node
  }
}

/// What follows the rounding to eight bits is a table where it takes the vector engines long, each kernel's in the other slot; of
/// few elements, and where constants stream, it stays.
@Test(arguments: [
  (40, NPUCompiler.WeightMode.resident, true), (12, .resident, false), (40, .streamed, false),
])
func longEndsOfProgramsAreTables(size: Int, weights: NPUCompiler.WeightMode, isTable: Bool) throws {
  let machine = try Targets.builtin("warboy-2pe").machine
  var chain = try ConvolutionChain(channels: 16, size: size)
  try chain.convolveAndWeigh(to: 96)
  try chain.convolve(to: 16)
  try chain.convolveAndWeigh(to: 96, zeroPoint: 3)
  var options = NPUCompiler.Options()
  options.weights = weights
  let compiled = try NPUCompiler.compile(chain.finished, on: machine, options)
  try chain.expectValues(compiled.program, on: machine)
  let slots = compiled.program.run.contexts[1].compactMap { instruction -> Int? in
    guard case .tensor(let body) = instruction.body, case .tables(let word) = body.sink else { return nil }
    return Int(word) / 256
  }
  #expect(slots == (isTable ? [0, 1] : []))
}
