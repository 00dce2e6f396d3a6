import KernelIR
import Machine
import Support
import TargetFiles
import Tensors
import Testing

/// A 3 × 3 convolution with a border of one over 6 × 6 points, 8 channels to 16, then requantized.
private func convolution(_ graph: inout KernelGraph, _ input: BufferID, _ channels: Int) throws -> BufferID {
  let weights = graph.constant(
    try Tensor(TensorType(.i8, [16, channels, 3, 3])) { $0.initializeMemory(as: UInt8.self, repeating: 1) })
  var kernel = Kernel(.contract, .i8)
  let (o, y, x) = (kernel.axis("o", 16), kernel.axis("y", 6), kernel.axis("x", 6))
  let (h, w, c) = (
    kernel.axis("h", 3, .window), kernel.axis("w", 3, .window), kernel.axis("c", channels, .reduce)
  )
  kernel.operands = [
    Operand(
      TensorType(.i8, [channels, 6, 6]), [.axis(c), .axis(y) + .axis(h) + -1, .axis(x) + .axis(w) + -1],
      outside: .skip),
    Operand(TensorType(.i8, [16, channels, 3, 3]), [.axis(o), .axis(c), .axis(h), .axis(w)]),
  ]
  kernel.post = Program {
    let multiplier = $0.append(constant: Int32(1 << 30))
    let shift = $0.append(constant: Int32(36))
    return $0.append(
      .requant($0.append(.input), multiplier: multiplier, shift: shift, zeroPoint: 0, low: -128, high: 127))
  }
  return graph.kernel(kernel, [input, weights])
}

/// Worked by hand.
@Test func boundsOfTwoConvolutions() throws {
  let machine = try Targets.builtin("tiny-npu").machine
  var graph = KernelGraph(name: "two")
  let input = graph.input("x", TensorType(.i8, [8, 6, 6]))
  let first = try convolution(&graph, input, 8)
  graph.outputs = [try convolution(&graph, first, 16)]
  let bounds = Bounds(graph, on: machine, weights: .streamed)
  // Of 18 coordinates of a row 16 lie inside; 4 slices of 8 lanes of 8 bytes.
  let macs = [16 * 16 * 16 * 8, 16 * 16 * 16 * 16]
  // The products outside are subtracted from points, 16 · 36 · 9 · c.
  #expect(bounds.layers.map(\.mac) == macs.map { ($0 + 255) / 256 })
  #expect(bounds.mac == macs.map { ($0 + 255) / 256 }.reduce(0, +))
  #expect(bounds.layers[0].vector == 18 && bounds.layers[0].issue == 4)
  #expect(bounds.chain == 2 * (4 + 1))
  #expect(bounds.serial == 2 * 4 + bounds.mac)
  #expect(bounds.layerCycles == bounds.layers[0].cycles + bounds.layers[1].cycles)
  let weights = 16 * 9 * (8 + 16)
  #expect(bounds.dram == (288 + 576 + weights) * 5 / 16 / 3)
  #expect(Bounds(graph, on: machine, weights: .resident).dram == (288 + 576) * 5 / 16 / 3)
  #expect(bounds.port == max(2 * 18, (288 + 576 + weights + 47) / 48))
  #expect(bounds.binding.cycles == bounds.terms.map(\.cycles).max())
}

@Test func energyAndPower() throws {
  let machine = try Targets.builtin("warboy").machine
  let energy = Energy(on: machine, macs: 1_000_000, sramBytes: 1000, dramBytes: 100, vectorSteps: 10)
  #expect(energy.femtojoules == 151_000_000 + 2_500_000 + 4_000_000 + 19_500)
  // 64 TOPS at full rate for a microsecond draw less than the card may.
  let peak = Energy(on: machine, macs: 8192 * 2000, sramBytes: 0, dramBytes: 0, vectorSteps: 0)
  #expect(peak.warning(cycles: 2000, on: machine) == nil)
  #expect(peak.warning(cycles: 10, on: machine) != nil)
  #expect(abs(peak.milliwatts(cycles: 2000, on: machine) - 2474) < 1)
}
