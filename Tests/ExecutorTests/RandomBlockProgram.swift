import CKernels
import Executor
import KernelIR
import Support
import Tensors

/// A random well-typed program over random operands of a random space, with the bytes that the evaluator
/// finds for a part of it.
struct RandomBlockProgram: CustomStringConvertible {
  struct Operand {
    var element: ElementType
    var pre = Program.identity
    /// In elements, per axis of the space; the first element is at `start`.
    var strides: [Int]
    var start: Int
    var bytes: [UInt8]
    var isUniform: Bool { strides.allSatisfy { $0 == 0 } }
  }

  static let stored = ElementType.allCases.filter(\.fitsRegister)

  var program = Program.identity
  var extents: [Int]
  var range: Range<Int>
  var input: Operand?
  var operands: [Operand]
  var tables: [Table]
  var result: Operand

  var description: String { "\(program) of \(operands.map(\.element)) over \(extents) \(range)" }

  init(_ random: inout SeededRandom) {
    extents = (0..<Int.random(in: 0...4, using: &random)).map { _ in Int.random(in: 1...9, using: &random) }
    if Int.random(in: 0..<3, using: &random) == 0 { extents.append(Int.random(in: 1...700, using: &random)) }
    let count = extents.reduce(1, *)
    let ends = [Int.random(in: 0...count, using: &random), Int.random(in: 0...count, using: &random)].sorted()
    range = Bool.random(using: &random) ? 0..<count : ends[0]..<ends[1]
    tables = (0..<2).map { index in
      let entries = (0..<Int.random(in: 1...260, using: &random)).map { _ in BlockProgramTests.bits(&random) }
      return Table(low: .random(in: -130...3, using: &random), isFloat: index == 1, entries: entries)
    }
    operands = []
    let space = extents
    func operand() -> Operand {
      let element = Self.stored[Int.random(in: 0..<Self.stored.count, using: &random)]
      return Self.operand(element, space, &random)
    }
    operands = (0..<Int.random(in: 1...5, using: &random)).map { _ in operand() }
    input = Bool.random(using: &random) ? operand() : nil
    result = operand()
    for index in operands.indices where Int.random(in: 0..<3, using: &random) == 0 {
      let kind = Program.Kind(operands[index].element)
      operands[index].pre = Self.program(input: kind, operands: [], ending: nil, tables, 4, &random)
    }
    let kinds = operands.map { operand in
      (try? operand.pre.kind(input: Program.Kind(operand.element), operands: [], tables: tables)) ?? .integer
    }
    let ending = Program.Kind(result.element)
    program = Self.program(
      input: input.map { Program.Kind($0.element) }, operands: kinds, ending: ending, tables,
      Int.random(in: 1...25, using: &random), &random)
    // The result is written once per point.
    var next = Int.random(in: 1...2, using: &random)
    for axis in extents.indices.reversed() {
      result.strides[axis] = next
      next *= extents[axis] * (Int.random(in: 0..<4, using: &random) == 0 ? 2 : 1)
    }
    result.start = 0
    result.bytes = [UInt8](repeating: 0xA5, count: (next + 2) * result.element.size)
  }

  static func operand(_ element: ElementType, _ extents: [Int], _ random: inout SeededRandom) -> Operand {
    var strides = [Int](repeating: 0, count: extents.count)
    var next = 1
    var start = 0
    let isContiguous = Bool.random(using: &random)
    let order = isContiguous ? Array(extents.indices.reversed()) : extents.indices.shuffled(using: &random)
    for axis in order {
      if !isContiguous, Bool.random(using: &random) { continue }
      strides[axis] = next
      next *= extents[axis]
      if !isContiguous {
        next += Int.random(in: 0...1, using: &random)
        if Int.random(in: 0..<4, using: &random) == 0 {
          start += strides[axis] * (extents[axis] - 1)
          strides[axis] *= -1
        }
      }
    }
    var bytes: [UInt8] = []
    for _ in 0..<next + 1 {
      let word = BlockProgramTests.bits(&random)
      for byte in 0..<element.size { bytes.append(UInt8(truncatingIfNeeded: word >> UInt32(8 * byte))) }
    }
    return Operand(element: element, strides: strides, start: start, bytes: bytes)
  }

  static func program(
    input: Program.Kind?, operands: [Program.Kind], ending: Program.Kind?, _ tables: [Table], _ count: Int,
    _ random: inout SeededRandom
  ) -> Program {
    Program { p in
      var integers = [p.append(constant: Int32.random(in: -300...300, using: &random))]
      var floats = [p.append(constant: Float.random(in: -3...3, using: &random))]
      func keep(_ register: Register, _ kind: Program.Kind) {
        if kind == .float { floats.append(register) } else { integers.append(register) }
      }
      if let input { keep(p.append(.input), input) }
      for (index, kind) in operands.enumerated() { keep(p.append(.operand(index)), kind) }
      func integer() -> Register { integers[Int.random(in: 0..<integers.count, using: &random)] }
      func float() -> Register { floats[Int.random(in: 0..<floats.count, using: &random)] }
      for _ in 0..<count {
        switch Int.random(in: 0..<12, using: &random) {
        case 0, 1:
          let op = Program.Unary.allCases.randomElement(using: &random) ?? .negate
          let takesInteger = op == .toFloat || op == .not || (op == .negate && Bool.random(using: &random))
          let value = p.append(op, takesInteger ? integer() : float())
          keep(value, op == .toFloat ? .float : (takesInteger || op == .toInteger ? .integer : .float))
        case 2, 3:
          let op = Program.Binary.allCases.randomElement(using: &random) ?? .add
          switch op {
          case .and, .or, .xor, .shiftLeft, .shiftRight: keep(p.append(op, integer(), integer()), .integer)
          case .equal, .less, .lessOrEqual:
            let isFloat = Bool.random(using: &random)
            keep(p.append(op, isFloat ? float() : integer(), isFloat ? float() : integer()), .integer)
          case .divide: keep(p.append(op, float(), float()), .float)
          default:
            if Bool.random(using: &random) {
              keep(p.append(op, float(), float()), .float)
            } else {
              keep(p.append(op, integer(), integer()), .integer)
            }
          }
        case 4: keep(p.append(.fma(float(), float(), float())), .float)
        case 5:
          if Bool.random(using: &random) {
            keep(p.append(.select(integer(), float(), float())), .float)
          } else {
            keep(p.append(.select(integer(), integer(), integer())), .integer)
          }
        case 6, 7:
          let element = stored[Int.random(in: 0..<stored.count, using: &random)]
          let kind = Program.Kind(element)
          keep(p.append(.convert(element, kind == .float ? float() : integer())), kind)
        case 8:
          let multiplier = p.append(.and, integer(), p.append(constant: Int32.max))
          let shift = p.append(.and, integer(), p.append(constant: Int32(31)))
          keep(
            p.append(
              .requant(integer(), multiplier: multiplier, shift: shift, zeroPoint: 3, low: -128, high: 127)),
            .integer)
        case 9:
          keep(p.append(.quantize(float(), scale: float(), zeroPoint: -4, low: -128, high: 127)), .integer)
        case 10: keep(p.append(.dequantize(integer(), scale: float(), zeroPoint: 9)), .float)
        default:
          let index = Int.random(in: 0..<tables.count, using: &random)
          keep(p.append(.table(index, integer())), tables[index].isFloat ? .float : .integer)
        }
      }
      switch ending {
      case .float: return floats[floats.count - 1]
      case .integer: return integers[integers.count - 1]
      case nil: return Bool.random(using: &random) ? floats[floats.count - 1] : integers[integers.count - 1]
      }
    }
  }

  func encoding() throws -> ProgramEncoding? {
    let arguments = operands.map {
      ProgramEncoding.Argument($0.element, pre: $0.pre, isUniform: $0.isUniform)
    }
    return try ProgramEncoding(
      program, input: input?.element, arguments: arguments, tables: tables, element: result.element)
  }

  private func offset(_ operand: Operand, at point: Int) -> Int {
    var rest = point
    var offset = operand.start
    for axis in extents.indices.reversed() {
      offset += rest % extents[axis] * operand.strides[axis]
      rest /= extents[axis]
    }
    return offset * operand.element.size
  }

  private func load(_ operand: Operand, at point: Int) -> Scalar {
    let at = offset(operand, at: point)
    return operand.bytes.withUnsafeBytes { .load(from: $0.start, at: at, operand.element) }
  }

  func expected() throws -> [UInt8] {
    var bytes = result.bytes
    let pure = program.withoutDeadSteps
    for point in range {
      let value = try pure.evaluate(
        input: input.map { load($0, at: point) }, tables: tables
      ) { (index) throws(Diagnostic) in
        try operands[index].pre.evaluate(input: load(operands[index], at: point), tables: tables) {
          (_) throws(Diagnostic) in throw Diagnostic(.invalidKernel, "a pre-program has no operands")
        }
      }
      let at = offset(result, at: point)
      bytes.withUnsafeMutableBytes { value.store(to: $0.start, at: at, result.element) }
    }
    return bytes
  }

  func run(_ compiled: BlockProgram, level: Int32) throws -> [UInt8] {
    var output = result.bytes
    let sources = compiled.encoding.sources.compactMap { source in
      if case .operand(let index) = source { operands[index] } else { input }
    }
    var streams: [furc_stream] = []
    for operand in sources {
      // One byte further than aligned, since mapped tensors lie anywhere.
      let memory = UnsafeMutableRawPointer.allocate(byteCount: operand.bytes.count + 1, alignment: 8) + 1
      memory.copyMemory(from: operand.bytes, byteCount: operand.bytes.count)
      let start = memory + operand.start * operand.element.size
      streams.append(furc_stream(start, operand.element, strides: operand.strides))
    }
    defer {
      for (stream, operand) in zip(streams, sources) {
        (stream.data - operand.start * operand.element.size - 1).deallocate()
      }
    }
    try output.withUnsafeMutableBytes { bytes in
      let stream = furc_stream(bytes.start, result.element, strides: result.strides)
      try compiled.run(extents: extents, range, sources: streams, result: stream, level: level)
    }
    return output
  }
}

extension UnsafeMutableRawBufferPointer {
  /// - Precondition: not empty.
  var start: UnsafeMutableRawPointer {
    guard let baseAddress else { preconditionFailure("no memory") }
    return baseAddress
  }
}

extension UnsafeRawBufferPointer {
  /// - Precondition: not empty.
  var start: UnsafeRawPointer {
    guard let baseAddress else { preconditionFailure("no memory") }
    return baseAddress
  }
}
