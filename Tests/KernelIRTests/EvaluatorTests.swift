import KernelIR
import Support
import Tensors
import Testing

/// requant(Σ w · (x - 3)) over a padded row with three taps, its scales per channel.
@Test func quantizedContraction() throws {
  var kernel = Kernel(.contract, .i8)
  let channel = kernel.axis("c", 2)
  let position = kernel.axis("w", 3)
  let tap = kernel.axis("k", 3, .window)
  kernel.operands = [
    Operand(
      TensorType(.i8, [3]), [.axis(position) + .axis(tap) + -1], outside: .fill(3),
      pre: centred(at: 3)),
    Operand(TensorType(.i8, [2, 3]), [.axis(channel), .axis(tap)]),
    Operand(TensorType(.i32, [2]), [.axis(channel)]),
    Operand(TensorType(.i32, [2]), [.axis(channel)]),
  ]
  kernel.post = Program { program in
    let (sum, m, s) = (program.append(.input), program.append(.operand(2)), program.append(.operand(3)))
    return program.append(.requant(sum, multiplier: m, shift: s, zeroPoint: -1, low: -128, high: 127))
  }
  let result = try KernelEvaluator.run(
    kernel,
    [
      integers(.i8, [3], [4, 5, 13]), integers(.i8, [2, 3], [1, 1, 1, 127, -127, 127]),
      integers(.i32, [2], [1 << 30, 1 << 30]), integers(.i32, [2], [31, 30]),
    ])
  // Sums are 3, 13, 12 and 127, 1143, -1016; halves and ones of them, minus 1.
  #expect(try result == integers(.i8, [2, 3], [1, 5, 5, 126, 127, -128]))
}

/// 2^24 + 1 + 1 + …: one chain loses every 1; two chains keep those of the second block.
@Test func splitAxisAddsBlocksApart() throws {
  func sum(split: Bool) throws -> Float {
    var kernel = Kernel(.contract, .f32)
    let block = kernel.axis("block", 2, split ? .split : .reduce)
    let element = kernel.axis("k", 4, .reduce)
    let map = AffineMap.axis(block, times: 4) + .axis(element)
    kernel.operands = [Operand(TensorType(.f32, [8]), [map]), Operand(TensorType(.bf16, [8]), [map])]
    let ones = try floats(.bf16, [8], [Float](repeating: 1, count: 8))
    return try KernelEvaluator.run(kernel, [floats(.f32, [8], [0x1p24, 1, 1, 1, 1, 1, 1, 1]), ones])
      .floatElements()[0]
  }
  #expect(try sum(split: false) == 0x1p24)
  #expect(try sum(split: true) == 0x1p24 + 4)
}

/// 448² - 448² + 2^-18: exact in FP8, lost in an f32 chain.
@Test func fp8ContractionIsExact() throws {
  func sum(_ element: ElementType) throws -> Float {
    var kernel = Kernel(.contract, .f32)
    let k = kernel.axis("k", 3, .reduce)
    kernel.operands = [Operand](repeating: Operand(TensorType(element, [3]), [.axis(k)]), count: 2)
    return try KernelEvaluator.run(
      kernel,
      [floats(element, [3], [448, 0x1p-9, 448]), floats(element, [3], [448, 0x1p-9, -448])]
    ).floatElements()[0]
  }
  #expect(try sum(.f8e4m3) == 0x1p-18)
  #expect(try sum(.f32) == 0)
}

@Test func integerSumOverflowIsReported() throws {
  var kernel = Kernel(.contract, .i32)
  let k = kernel.axis("k", 2, .reduce)
  kernel.operands = [Operand](repeating: Operand(TensorType(.i32, [2]), [.axis(k)]), count: 2)
  let half = try integers(.i32, [2], [1 << 15, 1 << 15])
  expect(.accumulatorOverflow) { try KernelEvaluator.run(kernel, [half, half]) }
  // 2^46 - 2^46: only the end of the sum counts.
  let (a, b) = (try integers(.i32, [2], [1 << 23, 1 << 23]), try integers(.i32, [2], [1 << 23, -1 << 23]))
  #expect(try KernelEvaluator.run(kernel, [a, b]) == integers(.i32, [], [0]))
}

/// Max pooling with stride 2 over a padded row: padding never wins.
@Test func reductionSkipsOutside() throws {
  func pool(_ reduction: Kernel.Reduction, _ element: ElementType = .i8) throws -> Tensor {
    var kernel = Kernel(.reduce(reduction), element)
    let position = kernel.axis("w", 2)
    let tap = kernel.axis("k", 3, .window)
    kernel.operands = [
      Operand(TensorType(.i8, [4]), [.axis(position, times: 2) + .axis(tap) + -1], outside: .skip)
    ]
    return try KernelEvaluator.run(kernel, [integers(.i8, [4], [-5, -7, -7, -2])])
  }
  #expect(try pool(.maximum) == integers(.i8, [2], [-5, -2]))
  #expect(try pool(.minimum) == integers(.i8, [2], [-7, -7]))
  #expect(try pool(.sum) == integers(.i8, [2], [-12, -16]))
  #expect(try pool(.product) == integers(.i8, [2], [35, -98]))
  #expect(try pool(.argumentOfMaximum, .i32) == integers(.i32, [2], [1, 2]))
  #expect(try pool(.argumentOfMinimum, .i32) == integers(.i32, [2], [2, 0]))
}

/// 2^24, then 79 ones: element i goes to partial sum i mod 16, so that the ones meet 2^24 in groups of five.
@Test func longFloatSumsUseSixteenPartialSums() throws {
  func sum(count: Int) throws -> Float {
    var kernel = Kernel(.reduce(.sum), .f32)
    kernel.operands = [Operand(TensorType(.f32, [count]), [.axis(kernel.axis("k", count, .reduce))])]
    let ones = [Float](repeating: 1, count: count - 1)
    return try KernelEvaluator.run(kernel, [floats(.f32, [count], [0x1p24] + ones)]).floatElements()[0]
  }
  #expect(try sum(count: 64) == 0x1p24)
  // Partial sum 0 stays 2^24, the other fifteen are 5 each; the tree adds 5, 10, 20 and 40 to it.
  #expect(try sum(count: 80) == 0x1p24 + 4 + 10 + 20 + 40)
}

@Test func argumentOfMaximumTakesFirstNaN() throws {
  var kernel = Kernel(.reduce(.argumentOfMaximum), .i32)
  kernel.operands = [Operand(TensorType(.f32, [5]), [.axis(kernel.axis("k", 5, .reduce))])]
  #expect(
    try KernelEvaluator.run(kernel, [floats(.f32, [5], [1, .nan, .infinity, .nan, 3])])
      == integers(.i32, [], [1]))
}

/// Concatenation with a padded second half.
@Test func moveCopiesFromTheBoxThatHoldsThePoint() throws {
  var kernel = Kernel(.move, .i8)
  let position = kernel.axis("w", 6)
  kernel.operands = [
    Operand(TensorType(.i8, [2]), [.axis(position, times: -1) + 1], box: [0..<2]),
    Operand(TensorType(.i8, [3]), [.axis(position) + -2], outside: .fill(9), box: [2..<6]),
  ]
  let result = try KernelEvaluator.run(kernel, [integers(.i8, [2], [1, 2]), integers(.i8, [3], [3, 4, 5])])
  #expect(try result == integers(.i8, [6], [2, 1, 3, 4, 5, 9]))
}

/// A copy keeps the bits of every NaN.
@Test func moveCopiesBits() throws {
  var kernel = Kernel(.move, .f16)
  kernel.operands = [Operand(TensorType(.f16, [2]), [.axis(kernel.axis("w", 2))], box: [0..<2])]
  let bits = try Tensor(TensorType(.f16, [2]), [UInt16(0x7D01), 0xFFFF])
  #expect(try KernelEvaluator.run(kernel, [bits]) == bits)
}

private func rowGather() -> Kernel {
  var kernel = Kernel(.gather(dimension: 0), .i8)
  let row = kernel.axis("row", 2)
  let column = kernel.axis("column", 2)
  kernel.operands = [
    Operand(TensorType(.i8, [3, 2]), [0, .axis(column)]), Operand(TensorType(.i32, [2]), [.axis(row)]),
  ]
  return kernel
}

@Test func gatherCountsNegativeIndicesFromTheEnd() throws {
  let rows = try integers(.i8, [3, 2], [1, 2, 3, 4, 5, 6])
  #expect(
    try KernelEvaluator.run(rowGather(), [rows, integers(.i32, [2], [-1, 0])])
      == integers(.i8, [2, 2], [5, 6, 1, 2]))
  for index in [-4, 3, Int32.min, .max] {
    expect(.indexOutOfRange) {
      try KernelEvaluator.run(rowGather(), [rows, integers(.i32, [2], [0, index])])
    }
  }
}

@Test func lastUpdateOfScatterWins() throws {
  var kernel = Kernel(.scatter(dimension: 0), .i8)
  let row = kernel.axis("row", 3)
  let column = kernel.axis("column", 2)
  let update = kernel.axis("update", 3, .reduce)
  kernel.operands = [
    Operand(TensorType(.i8, [3, 2]), [.axis(row), .axis(column)]),
    Operand(TensorType(.i32, [3]), [.axis(update)]),
    Operand(TensorType(.i8, [3, 2]), [.axis(update), .axis(column)]),
  ]
  let rows = try integers(.i8, [3, 2], [1, 2, 3, 4, 5, 6])
  let updates = try integers(.i8, [3, 2], [10, 11, 20, 21, 30, 31])
  #expect(
    try KernelEvaluator.run(kernel, [rows, integers(.i32, [3], [2, 0, -1]), updates])
      == integers(.i8, [3, 2], [20, 21, 3, 4, 30, 31]))
  expect(.indexOutOfRange) {
    try KernelEvaluator.run(kernel, [rows, integers(.i32, [3], [2, 3, -1]), updates])
  }
}

/// (a + b) with the second broadcast, clamped into i8.
@Test func mapBroadcastsAndClamps() throws {
  var kernel = Kernel(.map, .i8)
  let (row, column) = (kernel.axis("row", 2), kernel.axis("column", 3))
  kernel.operands = [
    Operand(TensorType(.i8, [2, 3]), [.axis(row), .axis(column)]),
    Operand(TensorType(.u8, [3]), [.axis(column)]),
  ]
  kernel.post = Program { $0.append(.add, $0.append(.operand(0)), $0.append(.operand(1))) }
  #expect(
    try KernelEvaluator.run(
      kernel, [integers(.i8, [2, 3], [1, 2, 3, -100, -128, 127]), integers(.u8, [3], [0, 200, 255])])
      == integers(.i8, [2, 3], [1, 127, 127, -100, 72, 127]))
}

/// Rank 0 and extents of 0 are ordinary.
@Test func emptyAndScalarKernels() throws {
  var scalar = Kernel(.map, .f32)
  scalar.post = Program { $0.append(constant: Float(1.5)) }
  #expect(try KernelEvaluator.run(scalar, []) == floats(.f32, [], [1.5]))
  var sum = Kernel(.reduce(.sum), .f32)
  let row = sum.axis("row", 2)
  sum.operands = [Operand(TensorType(.f32, [2, 0]), [.axis(row), .axis(sum.axis("k", 0, .reduce))])]
  #expect(try KernelEvaluator.run(sum, [floats(.f32, [2, 0], [])]) == floats(.f32, [2], [0, 0]))
  var empty = Kernel(.reduce(.sum), .f32)
  let none = empty.axis("row", 0)
  empty.operands = [Operand(TensorType(.f32, [0, 2]), [.axis(none), .axis(empty.axis("k", 2, .reduce))])]
  #expect(try KernelEvaluator.run(empty, [floats(.f32, [0, 2], [])]).shape == [0])
}
