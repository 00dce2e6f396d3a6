import CKernels
import Executor
import KernelIR
import Support
import Tensors
import TestSupport
import Testing

/// Programs in C against `Program.evaluate`, at every level of the CPU.
struct BlockProgramTests {
  static let edges: [UInt32] =
    [
      0, 1, 0x7F_FFFF, 0x80_0000, 0x3300_0000, 0x3F00_0000, 0x3F20_0000, 0x3F70_0000, 0x3F80_0000,
      0x3FC0_0000,
      0x4020_0000, 0x4049_0FDB, 0x42B1_7218, 0x42CF_F1B5, 0x43E0_0000, 0x43E8_0000, 0x4770_0000, 0x477F_F000,
      0x4B00_0000, 0x4D7F_FFFF, 0x4D80_0000, 0x4F00_0000, 0x7149_F2CA, 0x7F7F_FFFF, 0x7F80_0000, 0x7F80_0001,
      0x7FC0_0000,
    ].flatMap { [$0, $0 | 0x8000_0000, $0 ^ 1] } + [0xFFFF_FFFF, 0x7FFF_FFFF, 31, 32, 62, 63, 255]

  static func bits(_ random: inout SeededRandom) -> UInt32 {
    switch Int.random(in: 0..<4, using: &random) {
    case 0: edges[Int.random(in: 0..<edges.count, using: &random)]
    case 1: UInt32(truncatingIfNeeded: random.next())
    case 2: Float.random(in: -20...20, using: &random).bitPattern
    default: UInt32(bitPattern: Int32.random(in: -300...300, using: &random))
    }
  }

  /// Runs `program` on columns of stored 32-bit elements and compares with the evaluator, one call per element.
  static func compare(
    _ program: Program, _ columns: [[UInt32]], _ elements: [ElementType], result: ElementType, _ what: String,
    tables: [Table] = []
  ) throws {
    let count = columns[0].count
    let encoding = try #require(
      try ProgramEncoding(
        program, arguments: elements.map { ProgramEncoding.Argument($0) }, tables: tables, element: result))
    let compiled = try BlockProgram(encoding)
    var expected = [UInt32](repeating: 0, count: count)
    for i in 0..<count {
      let value = try program.evaluate(input: nil, tables: tables) { (index) throws(Diagnostic) in
        elements[index].isFloat
          ? .f32(Float(bitPattern: columns[index][i])) : .i32(Int32(bitPattern: columns[index][i]))
      }
      withUnsafeMutableBytes(of: &expected[i]) { value.store(to: $0.start, result) }
    }
    var memory = columns.flatMap { $0 }
    for level in levels {
      var found = [UInt32](repeating: 0, count: count)
      try memory.withUnsafeMutableBytes { bytes in
        try found.withUnsafeMutableBytes { output in
          let sources = encoding.sources.map { source in
            guard case .operand(let index) = source else { preconditionFailure() }
            return furc_stream(bytes.start + index * count * 4, elements[index], strides: [1])
          }
          let stream = furc_stream(output.start, result, strides: [4 / result.size])
          try compiled.run(extents: [count], 0..<count, sources: sources, result: stream, level: level)
        }
      }
      let differing = expected.indices.first { expected[$0] != found[$0] }
      if let at = differing {
        Issue.record("\(what), level \(level): \(columns.map { $0[at] }): \(found[at]), not \(expected[at])")
      }
    }
  }

  @Test(arguments: Program.Unary.allCases) func unarySteps(_ op: Program.Unary) throws {
    var random = SeededRandom(seed: 1)
    let column = Self.edges + (0..<40_000).map { _ in Self.bits(&random) }
    for element in [ElementType.i32, .f32] {
      let program = Program { $0.append(op, $0.append(.operand(0))) }
      let kinds = [Program.Kind(element)]
      guard let kind = try? program.kind(input: nil, operands: kinds) else { continue }
      try Self.compare(program, [column], [element], result: kind == .float ? .f32 : .i32, "\(op) \(element)")
    }
  }

  @Test(arguments: Program.Binary.allCases) func binarySteps(_ op: Program.Binary) throws {
    var random = SeededRandom(seed: 2)
    let pairs = Self.edges.flatMap { a in Self.edges.map { (a, $0) } }
    let left = pairs.map(\.0) + (0..<40_000).map { _ in Self.bits(&random) }
    let right = pairs.map(\.1) + (0..<40_000).map { _ in Self.bits(&random) }
    for element in [ElementType.i32, .f32] {
      let program = Program { $0.append(op, $0.append(.operand(0)), $0.append(.operand(1))) }
      let kinds = [Program.Kind(element), Program.Kind(element)]
      guard let kind = try? program.kind(input: nil, operands: kinds) else { continue }
      let result: ElementType = kind == .float ? .f32 : .i32
      try Self.compare(program, [left, right], [element, element], result: result, "\(op) \(element)")
    }
  }

  @Test func otherSteps() throws {
    var random = SeededRandom(seed: 3)
    let columns = (0..<3).map { _ in (0..<40_000).map { _ in Self.bits(&random) } }
    let f = ElementType.f32
    let i = ElementType.i32
    func operands(_ p: inout Program) -> [Register] { (0..<3).map { p.append(.operand($0)) } }
    try Self.compare(
      Program {
        let r = operands(&$0)
        return $0.append(.fma(r[0], r[1], r[2]))
      }, columns, [f, f, f], result: f, "fma")
    for element in [f, i] {
      try Self.compare(
        Program {
          let r = operands(&$0)
          return $0.append(.select(r[0], r[1], r[2]))
        }, columns, [i, element, element], result: element, "select")
    }
    for element in ElementType.allCases where element.fitsRegister {
      try Self.compare(
        Program { $0.append(.convert(element, $0.append(.operand(0)))) }, [columns[0]],
        [element.isFloat ? f : i], result: element.isFloat ? f : i, "convert \(element)")
      try Self.compare(
        Program { $0.append(.operand(0)) }, [columns[0]], [element.isFloat ? f : i], result: element,
        "store \(element)")
    }
    for (zeroPoint, low, high) in [
      (0, -128, 127), (-7, -128, 127), (128, 0, 255), (.max, .min, 5), (.min, 0, 9),
    ]
      as [(Int32, Int32, Int32)]
    {
      try Self.compare(
        Program {
          let r = operands(&$0)
          return $0.append(.quantize(r[0], scale: r[1], zeroPoint: zeroPoint, low: low, high: high))
        }, columns, [f, f, f], result: i, "quantize \(zeroPoint)")
      try Self.compare(
        Program {
          let r = operands(&$0)
          return $0.append(.dequantize(r[0], scale: r[1], zeroPoint: zeroPoint))
        }, columns, [i, f, f], result: f, "dequantize \(zeroPoint)")
      try Self.compare(
        Program {
          let r = operands(&$0)
          let multiplier = $0.append(.and, r[1], $0.append(constant: Int32.max))
          let positive = $0.append(.maximum, r[2], $0.append(constant: Int32(0)))
          let shift = $0.append(.minimum, positive, $0.append(constant: Int32(62)))
          return $0.append(
            .requant(r[0], multiplier: multiplier, shift: shift, zeroPoint: zeroPoint, low: low, high: high))
        }, columns, [i, i, i], result: i, "requant \(zeroPoint)")
    }
    let entries = (0..<300).map { _ in UInt32(truncatingIfNeeded: random.next()) }
    for low in [-128, 0, Int32.max - 299, .min] {
      for isFloat in [false, true] {
        try Self.compare(
          Program { $0.append(.table(0, $0.append(.operand(0)))) }, [columns[0]], [i],
          result: isFloat ? f : i, "table \(low)",
          tables: [Table(low: low, isFloat: isFloat, entries: entries)])
      }
    }
  }

  @Test(arguments: Seed.all) func randomProgramsOverRandomSpaces(seed: Seed) throws {
    var random = seed.random
    for _ in 0..<60 {
      let test = RandomBlockProgram(&random)
      guard let encoding = try test.encoding() else {
        Issue.record("beyond a limit")
        continue
      }
      let compiled = try BlockProgram(encoding)
      let expected = try test.expected()
      for level in levels {
        let found = try test.run(compiled, level: level)
        if found != expected {
          let at = found.indices.first { found[$0] != expected[$0] } ?? 0
          Issue.record("level \(level), byte \(at) of \(found.count): \(test)")
        }
      }
    }
  }

  /// More registers alive than the stack of a run holds blocks for.
  @Test func manyLiveRegisters() throws {
    var random = SeededRandom(seed: 4)
    let column = (0..<5000).map { _ in Self.bits(&random) }
    let program = Program { program in
      let x = program.append(.operand(0))
      let scaled = (0..<80).map { factor in
        let constant = program.append(constant: Float(factor))
        return program.append(.multiply, x, constant)
      }
      return scaled.reversed().dropFirst().reduce(scaled[79]) { program.append(.fma($0, $1, $1)) }
    }
    try Self.compare(program, [column], [.f32], result: .f32, "80 registers")
    try Self.compare(program, [Array(column[..<7])], [.f32], result: .f32, "80 registers of 7")
  }

  @Test func requantConstantsOutOfRangeAreFound() throws {
    let program = Program { program in
      let r = (0..<3).map { program.append(.operand($0)) }
      return program.append(.requant(r[0], multiplier: r[1], shift: r[2], zeroPoint: 0, low: -8, high: 7))
    }
    let arguments = [ElementType.i32, .i32, .i32].map { ProgramEncoding.Argument($0) }
    let compiled = try BlockProgram(
      try #require(try ProgramEncoding(program, arguments: arguments, element: .i8)))
    func isDefined(_ multipliers: [Int32], _ shifts: [Int32], count: Int) -> Bool {
      var memory = [Int32](repeating: 1, count: multipliers.count) + multipliers + shifts
      var result = [Int8](repeating: 0, count: multipliers.count)
      return memory.withUnsafeMutableBytes { bytes in
        result.withUnsafeMutableBytes { output in
          let sources = (0..<3).map {
            furc_stream(bytes.start + $0 * multipliers.count * 4, .i32, strides: [1])
          }
          let stream = furc_stream(output.start, .i8, strides: [1])
          return levels.allSatisfy { level in
            (try? compiled.run(
              extents: [multipliers.count], 0..<count, sources: sources, result: stream, level: level)) != nil
          }
        }
      }
    }
    let good = [Int32](repeating: 5, count: 20)
    for at in 0..<20 {
      var bad = good
      bad[at] = -1
      #expect(!isDefined(bad, good, count: 20) && !isDefined(good, bad, count: 20))
      // What lies behind the range does not count.
      #expect(isDefined(bad, good, count: at) && isDefined(good, bad, count: at))
      bad[at] = 63
      #expect(!isDefined(good, bad, count: 20) && isDefined(bad, good, count: 20))
    }
  }

  @Test func limitsAndIllTypedProgramsAreRefused() throws {
    let many = Program { program in
      let registers = (0...FURC_PROGRAM_MAX_SOURCES).map { program.append(.operand($0)) }
      return registers.dropFirst().reduce(registers[0]) { program.append(.add, $0, $1) }
    }
    let argument = ProgramEncoding.Argument(.f32)
    let arguments = [ProgramEncoding.Argument?](repeating: argument, count: FURC_PROGRAM_MAX_SOURCES + 1)
    #expect(try ProgramEncoding(many, arguments: arguments, element: .f32) == nil)
    #expect(throws: Diagnostic.self) {
      _ = try ProgramEncoding(many, arguments: arguments, element: .i32)
    }
    #expect(throws: Diagnostic.self) { _ = try ProgramEncoding(.identity, element: .i32) }
  }
}
