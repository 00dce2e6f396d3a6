import CKernels
import KernelIR
import Support
import Tensors

/// A program over registers in memory, a block of `PointBlock` at a time: in C where it fits the limits of
/// `furc_program.h`, else one step after the other here.
struct WordProgram: Sendable {
  let program: Program
  private let tables: [Table]
  private let kinds: [Program.Kind]
  /// The operands that the program reads, ascending.
  let operands: [Int]
  private let compiled: BlockProgram?

  /// - Throws: `invalidKernel` for a program that is not well typed.
  init(
    _ program: Program, input: Program.Kind?, operands: [Program.Kind?], tables: [Table]
  ) throws(Diagnostic) {
    self.program = program
    self.tables = tables
    let kinds = try program.kinds(input: input, operands: operands, tables: tables)
    self.kinds = kinds.ids.map { kinds[$0] }
    self.operands = program.operandsRead
    let arguments = operands.map { $0.map { ProgramEncoding.Argument(Self.element($0)) } }
    let result = Self.element(kinds[program.result])
    let encoding = try ProgramEncoding(
      program, input: input.map(Self.element), arguments: arguments, tables: tables, element: result)
    if let encoding { compiled = try BlockProgram(encoding) } else { compiled = nil }
  }

  private static func element(_ kind: Program.Kind) -> ElementType { kind == .float ? .f32 : .i32 }

  /// Registers of a block.
  final class Scratch {
    let words: Words

    init(_ program: WordProgram) {
      words = .allocate(capacity: max(program.program.steps.count, 1) * PointBlock.capacity)
    }

    deinit { words.deallocate() }
  }

  func makeScratch() -> Scratch { Scratch(self) }

  /// Runs the program and returns the register of its result, which lives as long as the scratch.
  /// - Parameter operands: one block per operand of the kernel; those that the program reads are not nil.
  /// - Throws: `invalidKernel` where a requantization constant is out of range.
  func run(
    _ count: Int, input: UnsafePointer<UInt32>?, operands: UnsafePointer<Words?>, level: Int32,
    _ scratch: Scratch
  ) throws(Diagnostic) -> UnsafePointer<UInt32> {
    if let compiled {
      var sources: [furc_stream] = []
      for (source, element) in zip(compiled.encoding.sources, compiled.encoding.elements) {
        let words: UnsafePointer<UInt32>?
        switch source {
        case .input: words = input
        case .operand(let index): words = operands[index].map { UnsafePointer($0) }
        }
        if let words { sources.append(furc_stream(reading: words, element, strides: [1])) }
      }
      let result = furc_stream(scratch.words, compiled.encoding.element, strides: [1])
      try compiled.run(extents: [count], 0..<count, sources: sources, result: result, level: level)
      return UnsafePointer(scratch.words)
    }
    for register in program.steps.ids {
      try step(program.steps[register], register.index, count, input, operands, scratch.words)
    }
    return source(program.result.index, input, operands, scratch.words)
  }

  /// Registers that are inputs or operands are read where they lie.
  @inline(__always)
  private func source(
    _ register: Int, _ input: UnsafePointer<UInt32>?, _ operands: UnsafePointer<Words?>, _ words: Words
  ) -> UnsafePointer<UInt32> {
    switch program.steps[Register(rawValue: UInt32(register))] {
    case .input: if let input { return input }
    case .operand(let index): if let operand = operands[index] { return UnsafePointer(operand) }
    default: break
    }
    return UnsafePointer(words + register * PointBlock.capacity)
  }

  private func step(
    _ step: Program.Step, _ register: Int, _ count: Int, _ input: UnsafePointer<UInt32>?,
    _ operands: UnsafePointer<Words?>, _ words: Words
  ) throws(Diagnostic) {
    let out = words + register * PointBlock.capacity
    func read(_ other: Register) -> UnsafePointer<UInt32> { source(other.index, input, operands, words) }
    switch step {
    case .input, .operand: return
    case .integer(let value): out.update(repeating: UInt32(bitPattern: value), count: count)
    case .float(let bits): out.update(repeating: bits, count: count)
    case .unary(let op, let value): unary(op, kinds[value.index], read(value), count, out)
    case .binary(let op, let left, let right):
      if kinds[left.index] == .float {
        Self.floats(op, read(left), read(right), count, out)
      } else {
        Self.integers(op, read(left), read(right), count, out)
      }
    case .fma(let a, let b, let c):
      let (a, b, c) = (read(a), read(b), read(c))
      for i in 0..<count { out[i] = Arithmetic.fma(f(a[i]), f(b[i]), f(c[i])).bitPattern }
    case .select(let condition, let a, let b):
      let (condition, a, b) = (read(condition), read(a), read(b))
      for i in 0..<count { out[i] = condition[i] != 0 ? a[i] : b[i] }
    case .convert(let element, let value): Self.convert(element, read(value), count, out)
    case .requant(let sum, let multiplier, let shift, let zeroPoint, let low, let high):
      let (sum, multiplier, shift) = (read(sum), read(multiplier), read(shift))
      var bad: UInt32 = 0
      for i in 0..<count { bad |= multiplier[i] >> 31 | (shift[i] > 62 ? 1 : 0) }
      if bad != 0 { throw Diagnostic(.invalidKernel, "P3: a requantization constant is out of range") }
      for i in 0..<count {
        let value = Arithmetic.requant(
          s(sum[i]), multiplier: s(multiplier[i]), shift: s(shift[i]), zeroPoint: zeroPoint, low: low,
          high: high)
        out[i] = UInt32(bitPattern: value)
      }
    case .quantize(let value, let scale, let zeroPoint, let low, let high):
      let (value, scale) = (read(value), read(scale))
      for i in 0..<count {
        let quantized = Arithmetic.quantize(
          f(value[i]), scale: f(scale[i]), zeroPoint: zeroPoint, low: low, high: high)
        out[i] = UInt32(bitPattern: quantized)
      }
    case .dequantize(let value, let scale, let zeroPoint):
      let (value, scale) = (read(value), read(scale))
      for i in 0..<count {
        out[i] = Arithmetic.dequantize(s(value[i]), scale: f(scale[i]), zeroPoint: zeroPoint).bitPattern
      }
    case .table(let index, let key):
      let key = read(key)
      let table = tables[index]
      let (low, last) = (Int(table.low), table.entries.count - 1)
      table.entries.withUnsafeBufferPointer { entries in
        for i in 0..<count { out[i] = entries[min(max(Int(s(key[i])) - low, 0), last)] }
      }
    }
  }
}

@inline(__always) private func f(_ bits: UInt32) -> Float { Float(bitPattern: bits) }
@inline(__always) private func s(_ bits: UInt32) -> Int32 { Int32(bitPattern: bits) }

extension WordProgram {
  private typealias Source = UnsafePointer<UInt32>

  @inline(__always)
  private static func each(_ a: Source, _ count: Int, _ out: Words, _ body: (Float) -> Float) {
    for i in 0..<count { out[i] = body(f(a[i])).bitPattern }
  }

  @inline(__always)
  private static func each(
    _ a: Source, _ b: Source, _ count: Int, _ out: Words, _ body: (Float, Float) -> Float
  ) {
    for i in 0..<count { out[i] = body(f(a[i]), f(b[i])).bitPattern }
  }

  @inline(__always)
  private static func compare(
    _ a: Source, _ b: Source, _ count: Int, _ out: Words, _ body: (Float, Float) -> Int32
  ) {
    for i in 0..<count { out[i] = UInt32(bitPattern: body(f(a[i]), f(b[i]))) }
  }

  @inline(__always)
  private static func eachInteger(
    _ a: Source, _ b: Source, _ count: Int, _ out: Words, _ body: (Int32, Int32) -> Int32
  ) {
    for i in 0..<count { out[i] = UInt32(bitPattern: body(s(a[i]), s(b[i]))) }
  }

  private func unary(
    _ op: Program.Unary, _ kind: Program.Kind, _ a: UnsafePointer<UInt32>, _ count: Int, _ out: Words
  ) {
    switch (op, kind) {
    case (.negate, .integer): for i in 0..<count { out[i] = 0 &- a[i] }
    case (.absolute, .integer):
      for i in 0..<count { out[i] = UInt32(bitPattern: Arithmetic.absolute(s(a[i]))) }
    case (.negate, _): Self.each(a, count, out, Arithmetic.negate)
    case (.absolute, _): Self.each(a, count, out, Arithmetic.absolute)
    case (.sqrt, _): Self.each(a, count, out, Arithmetic.sqrt)
    case (.rsqrt, _): Self.each(a, count, out, Arithmetic.rsqrt)
    case (.reciprocal, _): Self.each(a, count, out, Arithmetic.reciprocal)
    case (.exp, _): Self.each(a, count, out, Arithmetic.exp)
    case (.log, _): Self.each(a, count, out, Arithmetic.log)
    case (.tanh, _): Self.each(a, count, out, Arithmetic.tanh)
    case (.erf, _): Self.each(a, count, out, Arithmetic.erf)
    case (.sigmoid, _): Self.each(a, count, out, Arithmetic.sigmoid)
    case (.sin, _): Self.each(a, count, out, Arithmetic.sin)
    case (.cos, _): Self.each(a, count, out, Arithmetic.cos)
    case (.floor, _): Self.each(a, count, out, Arithmetic.floor)
    case (.ceil, _): Self.each(a, count, out, Arithmetic.ceil)
    case (.round, _): Self.each(a, count, out, Arithmetic.roundHalfEven)
    case (.toFloat, _): for i in 0..<count { out[i] = Arithmetic.toFloat(s(a[i])).bitPattern }
    case (.toInteger, _): for i in 0..<count { out[i] = UInt32(bitPattern: Arithmetic.toInteger(f(a[i]))) }
    case (.not, _): for i in 0..<count { out[i] = a[i] == 0 ? 1 : 0 }
    }
  }

  private static func floats(_ op: Program.Binary, _ a: Source, _ b: Source, _ count: Int, _ out: Words) {
    switch op {
    case .add: each(a, b, count, out, Arithmetic.add)
    case .subtract: each(a, b, count, out, Arithmetic.subtract)
    case .multiply: each(a, b, count, out, Arithmetic.multiply)
    case .maximum: each(a, b, count, out, Arithmetic.maximum)
    case .minimum: each(a, b, count, out, Arithmetic.minimum)
    case .divide: each(a, b, count, out, Arithmetic.divide)
    case .equal: compare(a, b, count, out, Arithmetic.equal)
    case .less: compare(a, b, count, out, Arithmetic.less)
    case .lessOrEqual: compare(a, b, count, out, Arithmetic.lessOrEqual)
    case .and, .or, .xor, .shiftLeft, .shiftRight: return
    }
  }

  private static func integers(_ op: Program.Binary, _ a: Source, _ b: Source, _ count: Int, _ out: Words) {
    switch op {
    case .add: eachInteger(a, b, count, out, Arithmetic.add)
    case .subtract: eachInteger(a, b, count, out, Arithmetic.subtract)
    case .multiply: eachInteger(a, b, count, out, Arithmetic.multiply)
    case .maximum: eachInteger(a, b, count, out, Arithmetic.maximum)
    case .minimum: eachInteger(a, b, count, out, Arithmetic.minimum)
    case .equal: eachInteger(a, b, count, out, Arithmetic.equal)
    case .less: eachInteger(a, b, count, out, Arithmetic.less)
    case .lessOrEqual: eachInteger(a, b, count, out, Arithmetic.lessOrEqual)
    case .and: for i in 0..<count { out[i] = a[i] & b[i] }
    case .or: for i in 0..<count { out[i] = a[i] | b[i] }
    case .xor: for i in 0..<count { out[i] = a[i] ^ b[i] }
    case .shiftLeft: eachInteger(a, b, count, out, Arithmetic.shiftLeft)
    case .shiftRight: eachInteger(a, b, count, out, Arithmetic.shiftRight)
    case .divide: return
    }
  }

  private static func convert(_ element: ElementType, _ a: Source, _ count: Int, _ out: Words) {
    switch element {
    case .f32: each(a, count, out) { ElementType.f32.round($0) }
    case .bf16: each(a, count, out) { BFloat16.decode(BFloat16.encode($0)) }
    case .f16: each(a, count, out) { Half.decode(Half.encode($0)) }
    case .f8e4m3: each(a, count, out) { Float8E4M3.decode(Float8E4M3.encode($0)) }
    case .f8e5m2: each(a, count, out) { Float8E5M2.decode(Float8E5M2.encode($0)) }
    default:
      guard let range = element.integerRange else { return }
      for i in 0..<count {
        out[i] = UInt32(bitPattern: min(max(s(a[i]), range.lowerBound), range.upperBound))
      }
    }
  }
}
