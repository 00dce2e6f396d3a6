import Executor
import KernelIR
import Support
import Tensors
import TestSupport
import Testing

/// Contractions of the shapes that models have, small: convolutions with padding, stride, dilation and groups,
/// matrix products, attention, in every arithmetic.
struct ContractPlanTests {
  struct Conv {
    var batch = 1
    var groups = 1
    var channels = 3
    var results = 5
    var size = (5, 6)
    var taps = (3, 3)
    var stride = 1
    var dilation = 1
    var pad = 1
    var split = 1

    /// NCHW, the result as [n, g, co, h, w].
    func kernel(_ x: ElementType, _ w: ElementType, _ result: ElementType, outside: Operand.Outside) -> Kernel
    {
      var kernel = Kernel(.contract, result)
      let height = (size.0 + 2 * pad - dilation * (taps.0 - 1) - 1) / stride + 1
      let width = (size.1 + 2 * pad - dilation * (taps.1 - 1) - 1) / stride + 1
      let n = kernel.axis("n", batch)
      let g = kernel.axis("g", groups)
      let co = kernel.axis("co", results)
      let oh = kernel.axis("oh", height)
      let ow = kernel.axis("ow", width)
      let s = kernel.axis("s", split, split > 1 ? .split : .reduce)
      let kh = kernel.axis("kh", taps.0, .window)
      let kw = kernel.axis("kw", taps.1, .window)
      let ci = kernel.axis("ci", channels, .reduce)
      let channel = AffineMap.axis(ci) + .axis(s, times: channels)
      let all = channels * split
      kernel.operands = [
        Operand(
          TensorType(x, [batch, all * groups, size.0, size.1]),
          [
            .axis(n), channel + .axis(g, times: all),
            .axis(oh, times: stride) + .axis(kh, times: dilation) + AffineMap(-pad),
            .axis(ow, times: stride) + .axis(kw, times: dilation) + AffineMap(-pad),
          ], outside: outside),
        Operand(
          TensorType(w, [groups * results, all, taps.0, taps.1]),
          [.axis(g, times: results) + .axis(co), channel, .axis(kh), .axis(kw)]),
        Operand(
          TensorType(result.isFloat ? .f32 : .i32, [groups * results]), [.axis(g, times: results) + .axis(co)]
        ),
      ]
      kernel.post = Program { program in
        let sum = program.append(.input)
        return program.append(.add, sum, program.append(.operand(2)))
      }
      return kernel
    }
  }

  static let convolutions: [Conv] = [
    Conv(), Conv(batch: 2, channels: 9, results: 17), Conv(channels: 20, results: 70, stride: 2),
    Conv(channels: 8, results: 16, dilation: 2, pad: 2),
    Conv(channels: 16, results: 66, taps: (1, 1), pad: 0),
    Conv(groups: 4, channels: 4, results: 3), Conv(groups: 33, channels: 1, results: 1),
    Conv(batch: 2, groups: 16, channels: 1, results: 1, stride: 2),
    Conv(groups: 9, channels: 1, results: 1, taps: (5, 5), pad: 2),
    Conv(channels: 5, results: 9, taps: (1, 7), pad: 3), Conv(channels: 1, results: 8, taps: (5, 5), pad: 2),
    Conv(channels: 6, results: 20, split: 3),
  ]

  static func tensor(_ type: TensorType, _ random: inout SeededRandom) throws -> Tensor {
    let count = try type.elementCount()
    let values = (0..<count).map { _ -> Scalar in
      if type.element.isFloat {
        return .f32(Int.random(in: 0..<200, using: &random) == 0 ? -0.0 : .random(in: -1...1, using: &random))
      }
      let range = type.element.integerRange ?? 0...0
      return .i32(
        Int32.random(in: max(range.lowerBound, -1000)...min(range.upperBound, 1000), using: &random))
    }
    return try Tensor(type) { values[$0] }
  }

  static func check(_ kernel: Kernel, _ name: String, _ random: inout SeededRandom, constant: Bool) throws {
    var test = KernelCase()
    var operands: [BufferID] = []
    for (index, operand) in kernel.operands.enumerated() {
      let argument = try tensor(operand.type, &random)
      if index > 0, constant {
        operands.append(test.graph.constant(argument))
      } else {
        operands.append(test.graph.input("x\(index)", operand.type))
        test.inputs.append(argument)
      }
    }
    test.graph.outputs = [test.graph.kernel(kernel, operands)]
    try KernelExecutorTests.compare(test, name)
  }

  static func subtract(_ zero: Int32) -> Program {
    Program { $0.append(.subtract, $0.append(.input), $0.append(constant: zero)) }
  }

  @Test(arguments: convolutions.indices)
  func `convolutions of floats`(_ number: Int) throws {
    var random = SeededRandom(seed: UInt64(number))
    let conv = Self.convolutions[number]
    for element in [ElementType.f32, .bf16, .f16] {
      for outside in [Operand.Outside.skip, .fill(0), .fill(Float(1.5).bitPattern)] {
        let kernel = conv.kernel(element, .f32, element, outside: outside)
        try Self.check(kernel, "conv \(number) \(element) \(outside)", &random, constant: outside != .skip)
      }
    }
  }

  @Test(arguments: convolutions.indices)
  func `convolutions of bytes and FP8`(_ number: Int) throws {
    var random = SeededRandom(seed: UInt64(number))
    let conv = Self.convolutions[number]
    guard conv.split == 1 else { return }
    for (x, w, zeroX, zeroW): (ElementType, ElementType, Int32, Int32) in [
      (.i8, .i8, 0, 0), (.i8, .i8, -7, 0), (.u8, .i8, 131, 0), (.u8, .u8, 3, 128), (.u8, .u8, 200, 0),
      (.i8, .i8, 9, -3),
      (.i4, .i4, 1, 0), (.i16, .i8, 5, 0),
    ] {
      for outside in [Operand.Outside.skip, .fill(UInt32(bitPattern: zeroX)), .fill(2)] {
        var kernel = conv.kernel(x, w, .i32, outside: outside)
        kernel.operands[0].pre = Self.subtract(zeroX)
        if zeroW != 0 { kernel.operands[1].pre = Self.subtract(zeroW) }
        try Self.check(kernel, "conv \(number) \(x) \(w) \(outside)", &random, constant: outside == .skip)
      }
    }
    for element in [ElementType.f8e4m3, .f8e5m2] {
      let kernel = conv.kernel(element, .f8e4m3, .f32, outside: .skip)
      try Self.check(kernel, "conv \(number) \(element)", &random, constant: number % 2 == 0)
    }
  }

  @Test(arguments: [(1, 100, 37), (5, 3, 70), (100, 33, 1), (1, 1, 1), (65, 20, 65)])
  func `matrix products`(m: Int, k: Int, n: Int) throws {
    var random = SeededRandom(seed: 7)
    for (transposeA, transposeB, batch) in [(false, false, 1), (true, false, 2), (false, true, 3)] {
      for element in [ElementType.f32, .i8] {
        var kernel = Kernel(.contract, element == .f32 ? .f32 : .i32)
        let b = kernel.axis("b", batch)
        let row = kernel.axis("m", m)
        let column = kernel.axis("n", n)
        let inner = kernel.axis("k", k, .reduce)
        let (aShape, aMaps) = transposeA ? ([k, m], [inner, row]) : ([m, k], [row, inner])
        let (bShape, bMaps) = transposeB ? ([n, k], [column, inner]) : ([k, n], [inner, column])
        kernel.operands = [
          Operand(TensorType(element, [batch] + aShape), ([b] + aMaps).map { .axis($0) }),
          Operand(TensorType(element, [batch] + bShape), ([b] + bMaps).map { .axis($0) }),
        ]
        for constant in [true, false] {
          try Self.check(kernel, "\(m)x\(k)x\(n) \(element)", &random, constant: constant)
        }
      }
    }
  }

  @Test func `choices name the implementation and its reason`() throws {
    func choice(_ conv: Conv, _ element: ElementType, _ result: ElementType) throws -> String {
      let kernel = conv.kernel(element, element, result, outside: .skip)
      var graph = KernelGraph(name: "choice")
      let x = graph.input("x", kernel.operands[0].type)
      let rest = try kernel.operands.dropFirst().map { graph.constant(try Tensor($0.type)) }
      graph.outputs = [graph.kernel(kernel, [x] + rest)]
      return try KernelExecutor(graph).choices[0].description
    }
    let dense = Conv(channels: 16, results: 20, pad: 1)
    #expect(
      try choice(dense, .i8, .i32)
        == "contract i8: 30 rows, 20 columns, 9 taps of 16, operand 1 constant, then a program of 3 steps")
    #expect(
      try choice(dense, .f32, .f32)
        == "contract f32: 30 rows, 20 columns, 9 taps of 16, operand 1 constant, finished in registers")
    #expect(
      try choice(Conv(groups: 32, channels: 1, results: 1), .f32, .f32)
        == "depthwise f32: 30 rows of 32 channels, 9 taps, operand 1 constant, finished in registers")
    #expect(try choice(dense, .f8e5m2, .f32) == "contract by elements: E5M2 sums exceed f64")
    #expect(
      try choice(dense, .i16, .i32)
        == "contract by elements: the factors are not bytes with zero points")
  }
}
