import KernelIR
import Machine
import NPUISA
import NPUInterpreter
import Support
import Tensors
import Testing

/// Fetch, switch, reductions, vector programs and sinks by hand.
struct InterpreterStreamTests {
  typealias Loop = TensorInstruction.Loop

  private static func bound(
    _ coefficients: [Int32], element: Int32 = 0, origin: Int32 = 0, in range: Range<Int32>
  ) -> TensorInstruction.Bound {
    var bound = TensorInstruction.Bound()
    bound.coefficients = coefficients
    bound.elementCoefficient = element
    bound.origin = origin
    bound.low = range.lowerBound
    bound.high = range.upperBound
    return bound
  }

  /// Windows of three with padding: the value outside stands for what the bound excludes.
  @Test func padsWindows() throws {
    var bench = try Bench()
    bench.put([5, -7, 3, 9] as [Int8], at: 8)
    bench.main {
      $0.loops = [Loop(4, fetch: 1, commit: 1), Loop(3, reduced: true, fetch: 1)]
      $0.fetch.base = 7
      $0.fetch.bounds = [Self.bound([1, 1], origin: -1, in: 0..<4)]
      $0.fetch.outside = UInt32(bitPattern: 4)
      $0.accumulate.kind = .maximum
      $0.sink = .commit(.init(at: 512, .i8, 1))
    }
    bench.main {
      $0.loops = [Loop(4, fetch: 1, commit: 1), Loop(3, reduced: true, fetch: 1)]
      $0.fetch.base = 7
      $0.fetch.bounds = [Self.bound([1, 1], origin: -1, in: 0..<4)]
      $0.accumulate.kind = .argumentOfMinimum
      $0.sink = .commit(.init(at: 520, .i8, 1))
    }
    try bench.take("max", TensorType(.i8, [4]), at: 512)
    try bench.take("argmin", TensorType(.i8, [4]), at: 520)
    let result = try bench.checked()
    #expect(result.outputs["max"]?.elements(as: Int8.self) == [5, 5, 9, 9])
    #expect(result.outputs["argmin"]?.elements(as: Int8.self) == [2, 1, 0, 0])
  }

  /// 6 valid elements in packets of 4; what is not valid reads as 0 and need not exist.
  @Test func masksTheEndOfALoop() throws {
    var bench = try Bench()
    bench.put([10, 11, 12, 13, 14, 15] as [UInt8], at: 4090)
    bench.main {
      $0.loops = [Loop(2, fetch: 4, commit: 4)]
      $0.fetch.base = 4090
      $0.fetch.element = .u8
      $0.fetch.packetElements = 4
      $0.fetch.validLoop = 0
      $0.fetch.validCount = 6
      $0.fetch.zeroPoint = 5
      $0.sink = .commit(.init(at: 0, .i8, 4))
    }
    try bench.take("y", TensorType(.i8, [8]), at: 0)
    #expect(try bench.checked().outputs["y"]?.elements(as: Int8.self) == [5, 6, 7, 8, 9, 10, 0, 0])
  }

  /// A slice holds 8 bytes: slice s, packet t is 10 s + t. Which slice and packet arrive where.
  private func moved(
    _ edit: (inout TensorInstruction) -> Void, steps: Int
  ) throws -> [[Int8]] {
    var bench = try Bench()
    for slice in 0..<4 { bench.put((0..<8).map { Int8(10 * slice + $0) }, slice: slice, at: 0) }
    bench.main {
      $0.sliceCount = 4
      edit(&$0)
      $0.sink = .commit(.init(at: 512, .i8, 1))
    }
    for slice in 0..<4 { try bench.take("\(slice)", TensorType(.i8, [steps]), slice: slice, at: 512) }
    let result = try bench.checked()
    return (0..<4).map { result.outputs["\($0)"]?.elements(as: Int8.self) ?? [] }
  }

  @Test func switchesPackets() throws {
    func exchange(
      _ kind: TensorInstruction.Exchange.Kind, _ outer: Int, _ inner: Int, _ distance: Int = 0
    ) -> TensorInstruction.Exchange {
      var exchange = TensorInstruction.Exchange()
      exchange.kind = kind
      exchange.outer = UInt16(outer)
      exchange.inner = UInt16(inner)
      exchange.distance = Int16(distance)
      return exchange
    }
    #expect(
      try moved(
        {
          $0.loops = [Loop(2, fetch: 1, commit: 2), Loop(2, .ring1, commit: 1)]
          $0.exchange = exchange(.broadcast1, 2, 2)
        }, steps: 4) == [[0, 20, 1, 21], [10, 30, 11, 31], [0, 20, 1, 21], [10, 30, 11, 31]])
    #expect(
      try moved(
        {
          $0.loops = [Loop(2, .ring1, commit: 2), Loop(2, .ring0, commit: 1)]
          $0.exchange = exchange(.broadcast01, 2, 2)
        }, steps: 4) == Array(repeating: [0, 10, 20, 30], count: 4))
    #expect(
      try moved(
        {
          $0.loops = [Loop(1)]
          $0.exchange = exchange(.transpose, 2, 2)
        }, steps: 1) == [[0], [20], [10], [30]])
    #expect(
      try moved(
        {
          $0.loops = [Loop(2, .ring0, commit: 1)]
          $0.exchange = exchange(.transposedBroadcast1, 2, 2)
        }, steps: 2) == [[0, 10], [20, 30], [0, 10], [20, 30]])
    #expect(
      try moved(
        {
          $0.loops = [Loop(2, fetch: 1), Loop(2, .ring1, commit: 1)]
          $0.exchange = exchange(.interTranspose, 2, 2)
        }, steps: 2) == [[0, 20], [10, 30], [1, 21], [11, 31]])
    #expect(
      try moved(
        {
          $0.loops = [Loop(1)]
          $0.exchange = exchange(.shift, 2, 2, 1)
        }, steps: 1) == [[30], [0], [10], [20]])
    // The first byte from the slice before, the fifth from the one behind.
    #expect(
      try moved(
        {
          $0.loops = [Loop(2, fetch: 4, commit: 1)]
          $0.exchange = exchange(.neighbours, 2, 2, 1)
        }, steps: 2) == [[30, 14], [0, 24], [10, 34], [20, 4]])
    #expect(
      try moved(
        {
          $0.loops = [Loop(2, fetch: 1, commit: 2), Loop(2, fetch: 4, commit: 1)]
          $0.exchange = exchange(.neighbours, 2, 1, -1)
          $0.exchange.loop = 1
        }, steps: 4) == [[10, 14, 11, 15], [0, 4, 1, 5], [30, 34, 31, 35], [20, 24, 21, 25]])
  }

  /// A program with vector registers, a broadcast operand, and the second stream.
  @Test func runsProgramsOverOperands() throws {
    var bench = try Bench()
    bench.program.programs = [
      Program { program in
        let x = program.append(.input)
        let bias = program.append(.operand(0))
        let scale = program.append(.operand(1))
        let residual = program.append(.operand(2))
        let sum = program.append(.add, program.append(.add, x, bias), residual)
        return program.append(.multiply, sum, scale)
      }
    ]
    bench.put((0..<9).map { Int32($0 * 100) }, at: 0)
    bench.put((0..<16).map { Int8($0) }, at: 64)
    bench.put((0..<16).map { Int16(-3 * $0) }, at: 128)
    bench.main {
      $0.loops = [Loop(9, fetch: 4, commit: 1)]
      $0.fetch.element = .i32
      $0.sink = .vectorRegisters(base: 3)
    }
    bench.main {
      $0.loops = [Loop(2, fetch: 8, second: 16, commit: 32, vectors: [0, 1])]
      $0.fetch.base = 64
      $0.fetch.packetElements = 8
      $0.vector.program = 0
      var stream = TensorInstruction.Second()
      stream.base = 128
      stream.element = .i16
      $0.vector.operands = [
        .init(.registers(base: 3)), .init(.registers(base: 10)), .init(.second(stream)),
      ]
      $0.vector.operands[1].isBroadcast = true
      $0.sink = .commit(.init(at: 512, .i32, 8))
    }
    try bench.take("y", TensorType(.i32, [16]), at: 512)
    let expected = (0..<16).map { (x: Int) -> Int32 in
      let sum = x + x % 8 * 100 - 3 * x
      return Int32(sum * (x < 8 ? 700 : 800))
    }
    #expect(try bench.checked().outputs["y"]?.elements(as: Int32.self) == expected)
  }

  /// A table by the fetch adapter and the same one by a program.
  @Test func looksTablesUp() throws {
    var bench = try Bench()
    bench.program.programs = [Program { $0.append(.table(1, $0.append(.input))) }]
    bench.put((0..<256).map { Int32(($0 - 128) * ($0 - 128)) }, at: 0)
    bench.put([-128, -1, 0, 127] as [Int8], at: 1024)
    bench.main {
      $0.loops = [Loop(32, fetch: 32, commit: 8)]
      $0.fetch.element = .i32
      $0.fetch.packetElements = 8
      $0.sink = .tables(base: 256)
    }
    for (base, isProgram) in [(1100, false), (1200, true)] {
      bench.main {
        $0.loops = [Loop(1)]
        $0.fetch.base = 1024
        $0.fetch.packetElements = 4
        if isProgram { $0.vector.program = 0 } else { $0.fetch.table = 1 }
        $0.sink = .commit(.init(at: base, .i32, 4))
      }
    }
    try bench.take("adapter", TensorType(.i32, [4]), at: 1100)
    try bench.take("program", TensorType(.i32, [4]), at: 1200)
    let result = try bench.checked()
    #expect(result.outputs["adapter"]?.elements(as: Int32.self) == [16384, 1, 0, 16129])
    #expect(result.outputs["program"] == result.outputs["adapter"])
  }

  /// Four rows of two elements leave as two columns of four.
  @Test func transposes() throws {
    var bench = try Bench()
    bench.put((0..<16).map { Int8($0) }, at: 0)
    bench.main {
      $0.loops = [Loop(8, fetch: 2, commit: 2)]
      $0.fetch.packetElements = 2
      $0.sink = .commit(.init(at: 512, .i8, 2, rows: 4, column: 4))
    }
    try bench.take("y", TensorType(.i8, [16]), at: 512)
    #expect(
      try bench.checked().outputs["y"]?.elements(as: Int8.self)
        == [0, 2, 4, 6, 1, 3, 5, 7, 8, 10, 12, 14, 9, 11, 13, 15])
  }

  /// 80 ones and one 2^24: a single chain would lose the ones behind it.
  @Test func addsInSixteenPartials() throws {
    var bench = try Bench()
    var values = [Float](repeating: 1, count: 80)
    values[0] = 0x1p24
    bench.put(values, at: 0)
    for (base, isSplit) in [(1024, true), (1028, false)] {
      bench.main {
        $0.loops = [Loop(80, reduced: true, fetch: 4)]
        $0.fetch.element = .f32
        $0.accumulate.kind = .sum
        $0.accumulate.hasSixteenPartials = isSplit
        $0.sink = .commit(.init(at: base, .f32, 1))
      }
    }
    try bench.take("y", TensorType(.f32, [2]), at: 1024)
    #expect(
      try bench.checked().outputs["y"]?.elements(as: Float.self) == [Arithmetic.sum(values), 0x1p24])
    #expect(Arithmetic.sum(values) != 0x1p24)
  }

  @Test func broadcastsAndRounds() throws {
    var bench = try Bench()
    bench.put([1.0009766, -300, 2.5] as [Float], at: 0)
    bench.main {
      $0.loops = [Loop(3, fetch: 4, commit: 8)]
      $0.fetch.element = .f32
      $0.fetch.isBroadcast = true
      $0.sink = .commit(.init(at: 512, .bf16, 4))
    }
    try bench.take("y", TensorType(.bf16, [12]), at: 512)
    let codes = [0x3F80, 0xC396, 0x4020] as [UInt16]
    #expect(
      try bench.checked().outputs["y"]?.elements(as: UInt16.self)
        == codes.flatMap { Array(repeating: $0, count: 4) })
  }
}
