import KernelIR
import Machine
import NPUCompiler
import NPUISA
import Support
import TargetFiles
import Tensors
import Testing

extension ConvolutionChain {
  /// i8 scores as f32, or a function of them.
  private static func scores(_ shape: [Int], _ maps: [AffineMap], scale: Float) -> Operand {
    Operand(
      TensorType(.i8, shape), maps,
      pre: Program {
        $0.append(.dequantize($0.append(.input), scale: $0.append(constant: scale), zeroPoint: 3))
      })
  }

  /// A row of scores reduced to one element.
  fileprivate mutating func reduce(_ reduction: Kernel.Reduction, scale: Float) {
    let shape = graph.buffers[last].type.shape
    var kernel = Kernel(.reduce(reduction), .f32)
    let rows = kernel.axis("rows", shape[1])
    let scores = kernel.axis("scores", shape[0], .reduce)
    kernel.operands = [Self.scores(shape, [.axis(scores), .axis(rows), 0], scale: scale)]
    last = graph.kernel(kernel, [last], node: "reduce", name: "y")
  }
}

private func compiled(
  _ reduction: Kernel.Reduction, _ count: Int, scale: Float = 0.37
) throws -> NPUCompiler.Result {
  let machine = try Targets.builtin("warboy-2pe").machine
  var chain = try ConvolutionChain(channels: count, size: 1)
  chain.reduce(reduction, scale: scale)
  let compiled = try NPUCompiler.compile(chain.finished, on: machine)
  try chain.expectValues(compiled.program, on: machine)
  return compiled
}

private func cycles(_ result: NPUCompiler.Result) -> Int {
  result.decisions.reduce(0) { $0 + $1.cycles[0] }
}

/// The largest score is found among the stored integers, and what it stands for computed once: one instruction for a short row.
@Test(arguments: [Kernel.Reduction.maximum, .minimum]) func extremesAreThoseOfStoredIntegers(
  reduction: Kernel.Reduction
) throws {
  let result = try compiled(reduction, 12)
  #expect(cycles(result) < 2 * 264, "\(result.decisions)")
}

/// A function that falls has its extreme elsewhere: all its values are needed.
@Test func extremesOfWhatFallsAreThoseOfValues() throws {
  let result = try compiled(.maximum, 12, scale: -0.37)
  #expect(cycles(result) >= 2 * 264, "\(result.decisions)")
}

/// Long rows are reduced by eight elements of a packet at once, with the bits of the rule for sums: of sixteen chains up to 1024
/// elements, as one reduction beyond.
@Test(arguments: [127, 128, 130, 1000, 1024, 1025]) func longRowsAreReducedInStages(count: Int) throws {
  for reduction in [Kernel.Reduction.maximum, .minimum, .sum] {
    let result = try compiled(reduction, count)
    let isStaged = count >= 128 && (reduction != .sum || count <= 1024)
    let first = 2 * (reduction == .sum ? 2 * (count + 15) / 16 : (count + 7) / 8)
    if isStaged {
      #expect(cycles(result) < 4 * 264 + 2 * first + 160, "\(reduction) \(count) \(result.decisions)")
    }
  }
}
