import KernelIR
import Support
import Tensors

/// Programs: a register at a time, the kind of each known.
extension KernelGenerator {
  struct Value {
    var register: Register
    var kind: Program.Kind
  }

  /// Subtracts a zero point, dequantizes, converts, or does nothing.
  mutating func preProgram(_ element: ElementType) -> Program {
    if chance(40) { return .identity }
    let zeroPoint = Int32(int(-8...8))
    let scale = Float.random(in: 0.01...2, using: &random)
    let isFloat = element.isFloat
    let way = int(1...3)
    let narrow: ElementType = integerTarget ? .f32 : .bf16
    return Program { program in
      let input = program.append(.input)
      switch (isFloat, way) {
      case (false, 1): return program.append(.subtract, input, program.append(constant: zeroPoint))
      case (false, 2):
        return program.append(
          .dequantize(input, scale: program.append(constant: scale), zeroPoint: zeroPoint))
      case (true, 1): return program.append(.convert(narrow, input))
      case (true, 2): return program.append(.multiply, input, program.append(constant: scale))
      default: return input
      }
    }
  }

  /// The post-program: from `input` (nil for a map) by random steps to the kind of the kernel's element.
  mutating func postProgram(input: Program.Kind?, axes: [AxisID], steps: Int) throws {
    var program = Program(steps: [], result: .none)
    var value: Value
    if let input {
      value = Value(register: program.append(.input), kind: input)
    } else {
      value = try operand(&program, pick([.integer, .float]), axes)
    }
    try finish(&program, value, axes: axes, steps: steps)
  }

  /// Random steps from a value on to the kind of the kernel's element.
  mutating func finish(
    _ program: inout Program, _ start: Value, axes: [AxisID], steps: Int
  ) throws {
    var value = start
    for _ in 0..<steps { value = try step(&program, value, axes) }
    let wanted = Program.Kind(kernel.element)
    if value.kind != wanted {
      value = wanted == .float ? try widen(&program, value, axes) : try narrow(&program, value, axes)
    }
    program.result = value.register
    kernel.post = program
  }

  /// Reads a new operand that broadcasts over `axes`.
  mutating func operand(_ program: inout Program, _ kind: Program.Kind, _ axes: [AxisID]) throws -> Value {
    let element = element(kind)
    let pre = preProgram(element)
    let outside = chance(85) ? Operand.Outside.never : fill(element)
    let index = try append(element, broadcast(over: axes), outside: outside, pre: pre)
    return Value(
      register: program.append(.operand(index)), kind: try kernel.valueKind(of: kernel.operands[index]))
  }

  /// A vector along one axis, or a constant.
  mutating func parameter(
    _ program: inout Program, _ element: ElementType, _ values: Values, _ axes: [AxisID], _ constant: UInt32
  ) throws -> Register {
    guard let axis = axes.randomElement(using: &random), chance(50) else {
      return program.append(
        element.isFloat ? .float(constant) : .integer(Int32(bitPattern: constant)))
    }
    return program.append(.operand(try append(element, [.axis(axis)], values: values)))
  }

  mutating func scale(_ program: inout Program, _ axes: [AxisID]) throws -> Register {
    try parameter(&program, .f32, .scales, axes, Float.random(in: 0.01...2, using: &random).bitPattern)
  }

  /// i32 to f32.
  mutating func widen(_ program: inout Program, _ value: Value, _ axes: [AxisID]) throws -> Value {
    if chance(50) { return Value(register: program.append(.toFloat, value.register), kind: .float) }
    let scale = try scale(&program, axes)
    let zeroPoint = Int32(int(-8...8))
    return Value(
      register: program.append(.dequantize(value.register, scale: scale, zeroPoint: zeroPoint)), kind: .float)
  }

  /// f32 to i32.
  mutating func narrow(_ program: inout Program, _ value: Value, _ axes: [AxisID]) throws -> Value {
    if chance(20) { return Value(register: program.append(.toInteger, value.register), kind: .integer) }
    let scale = try scale(&program, axes)
    let (low, high) = pick([(-128, 127), (0, 127), (-100, 90)] as [(Int32, Int32)])
    let step = Program.Step.quantize(
      value.register, scale: scale, zeroPoint: Int32(int(-8...8)), low: low, high: high)
    return Value(register: program.append(step), kind: .integer)
  }

  /// An i32 sum to i8, its parameters vectors or constants.
  mutating func requantize(_ program: inout Program, _ value: Value, _ axes: [AxisID]) throws -> Value {
    let multiplier = try parameter(
      &program, .i32, .within((1 << 30)...(1 << 31 - 1)), axes,
      UInt32(int((1 << 30)...(1 << 31 - 1))))
    let shift = try parameter(&program, .i32, .within(30...45), axes, UInt32(int(30...45)))
    let (low, high) = pick([(-128, 127), (0, 127), (-100, 90)] as [(Int32, Int32)])
    let step = Program.Step.requant(
      value.register, multiplier: multiplier, shift: shift, zeroPoint: Int32(int(-8...8)), low: low,
      high: high)
    return Value(register: program.append(step), kind: .integer)
  }

  private mutating func step(_ program: inout Program, _ value: Value, _ axes: [AxisID]) throws -> Value {
    value.kind == .float
      ? try floatStep(&program, value, axes) : try integerStep(&program, value, axes)
  }

  private mutating func floatStep(
    _ program: inout Program, _ value: Value, _ axes: [AxisID]
  ) throws -> Value {
    let x = value.register
    let constant = program.append(constant: Float.random(in: -3...3, using: &random))
    func float(_ step: Program.Step) -> Value { Value(register: program.append(step), kind: .float) }
    switch int(1...12) {
    case 1, 2:
      let ops = Program.Unary.allCases.filter { ![.toFloat, .toInteger, .not].contains($0) }
      return float(.unary(pick(ops), x))
    case 3: return float(.binary(pick([.add, .subtract, .multiply, .divide]), x, constant))
    case 4: return float(.binary(pick([.maximum, .minimum]), x, constant))
    case 5: return float(.fma(x, constant, try scale(&program, axes)))
    case 6:
      let elements: [ElementType] = integerTarget ? [.f32] : [.f32, .bf16, .f16, .f8e4m3, .f8e5m2]
      return float(.convert(pick(elements), x))
    case 7:
      let condition = program.append(pick([.less, .lessOrEqual, .equal]), x, constant)
      return float(.select(condition, x, constant))
    case 8, 9:
      var other = try operand(&program, pick([.float, .float, .integer]), axes)
      if other.kind == .integer { other = try widen(&program, other, axes) }
      return float(.binary(pick([.add, .add, .multiply, .subtract, .maximum]), x, other.register))
    case 10: return Value(register: program.append(.less, x, constant), kind: .integer)
    default: return try narrow(&program, value, axes)
    }
  }

  private mutating func integerStep(
    _ program: inout Program, _ value: Value, _ axes: [AxisID]
  ) throws -> Value {
    let x = value.register
    let constant = program.append(constant: Int32(int(-20...20)))
    func integer(_ step: Program.Step) -> Value { Value(register: program.append(step), kind: .integer) }
    switch int(1...12) {
    case 1: return integer(.binary(pick([.add, .subtract, .multiply]), x, constant))
    case 2: return integer(.binary(pick([.maximum, .minimum]), x, constant))
    case 3: return integer(.convert(integerTarget ? .i8 : pick([.i8, .u8, .i16, .bool]), x))
    case 4: return integer(.unary(pick([.negate, .absolute]), x))
    case 5, 6: return try requantize(&program, value, axes)
    case 7:
      kernel.tables.append(table())
      let isFloat = kernel.tables[kernel.tables.count - 1].isFloat
      let step = Program.Step.table(kernel.tables.count - 1, x)
      return Value(register: program.append(step), kind: isFloat ? .float : .integer)
    case 8:
      var other = try operand(&program, .integer, axes)
      if other.kind == .float { other = try narrow(&program, other, axes) }
      return integer(.binary(pick([.add, .maximum, .subtract]), x, other.register))
    case 9:
      let condition = program.append(pick([.less, .lessOrEqual, .equal]), x, constant)
      return integer(.select(condition, x, constant))
    case 10 where !integerTarget:
      return integer(.binary(pick([.and, .or, .xor, .shiftLeft, .shiftRight]), x, constant))
    case 11 where !integerTarget: return integer(.unary(.not, x))
    default: return try widen(&program, value, axes)
    }
  }

  /// 256 keys from -128 on, or fewer.
  private mutating func table() -> Table {
    let isFloat = chance(40)
    let (low, count) = pick([(-128, 256), (0, 16), (-3, 7)] as [(Int32, Int)])
    let entries = (0..<count).map { _ in
      isFloat
        ? Float.random(in: -4...4, using: &random).bitPattern
        : UInt32(bitPattern: Int32.random(in: -128...127, using: &random))
    }
    return Table(low: low, isFloat: isFloat, entries: entries)
  }
}
