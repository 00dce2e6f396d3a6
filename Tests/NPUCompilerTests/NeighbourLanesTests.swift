import KernelIR
import Machine
import NPUCompiler
import NPUISA
import Support
import TargetFiles
import Tensors
import Testing

extension ConvolutionChain {
  /// A window over every channel by itself.
  fileprivate mutating func convolveChannels(window: Int, stride: Int, zeroPoint: Int32) throws {
    let shape = graph.buffers[last].type.shape
    let extent = (shape[1] + stride - 1) / stride
    var kernel = Kernel(.contract, .i8)
    let c = kernel.axis("c", shape[0])
    let rows = [kernel.axis("oh", extent), kernel.axis("ow", extent)]
    let taps = [kernel.axis("kh", window, .window), kernel.axis("kw", window, .window)]
    let places = zip(rows, taps).map {
      AffineMap.axis($0, times: stride) + .axis($1) + AffineMap(-(window / 2))
    }
    kernel.operands = [
      Operand(
        TensorType(.i8, shape), [.axis(c)] + places, outside: .fill(UInt32(bitPattern: zeroPoint)),
        pre: Program {
          $0.append(.subtract, $0.append(.input), $0.append(constant: zeroPoint))
        }),
      Operand(TensorType(.i8, [shape[0], window, window]), [.axis(c)] + taps.map { .axis($0) }),
      Operand(TensorType(.i32, [shape[0]]), [.axis(c)]),
    ]
    var operands = [last]
    for operand in kernel.operands.dropFirst() {
      operands.append(graph.constant(try Tensor(operand.type) { .i32(Int32($0 * 29 % 17) - 8) }))
    }
    kernel.post = Program { program in
      let sum = program.append(.add, program.append(.input), program.append(.operand(2)))
      return program.append(.shiftRight, sum, program.append(constant: Int32(4)))
    }
    let name = "v\(graph.nodes.count)"
    last = graph.kernel(kernel, operands, node: name, name: name)
  }
}

/// Neighbouring results of a depthwise window come out of one walk, on two, four or eight lanes, where an extent allows it; the
/// values are those of one lane. With 48 channels a lane leaves more than one flit.
@Test(arguments: [
  (16, 24, 3, 1, 2), (48, 24, 3, 1, 2), (16, 32, 5, 1, 2), (16, 32, 3, 2, 2), (48, 32, 5, 2, 2),
  (32, 13, 3, 1, 1),
])
func lanesHoldNeighboursOfAWindow(
  channels: Int, size: Int, window: Int, stride: Int, least: UInt8
) throws {
  // One slice, so that what a slice has is the whole image.
  var machine = try Targets.builtin("warboy-2pe").machine
  machine.slices = 1
  var chain = try ConvolutionChain(channels: channels, size: size)
  try chain.convolveChannels(window: window, stride: stride, zeroPoint: 3)
  let compiled = try NPUCompiler.compile(chain.finished, on: machine)
  try chain.expectValues(compiled.program, on: machine)
  let contractions = compiled.program.run.contexts[0].compactMap { instruction in
    if case .tensor(let body) = instruction.body, body.accumulate.kind == .contract { body } else { nil }
  }
  #expect(!contractions.isEmpty && contractions.allSatisfy { $0.accumulate.lanes >= least })
}
