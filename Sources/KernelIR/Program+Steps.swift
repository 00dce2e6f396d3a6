import Support
import Tensors

extension Program.Step {
  /// The registers that the step reads, in the order of its parameters.
  public var reads: [Register] {
    switch self {
    case .input, .operand, .integer, .float: []
    case .unary(_, let value), .convert(_, let value), .table(_, let value): [value]
    case .binary(_, let left, let right): [left, right]
    case .fma(let a, let b, let c), .select(let a, let b, let c): [a, b, c]
    case .requant(let sum, let multiplier, let shift, _, _, _): [sum, multiplier, shift]
    case .quantize(let value, let scale, _, _, _), .dequantize(let value, let scale, _): [value, scale]
    }
  }

  /// The same step over other registers, operands and tables.
  public func mapping(
    registers: (Register) -> Register, operand: (Int) -> Int = { $0 }, table: (Int) -> Int = { $0 }
  ) -> Self {
    switch self {
    case .input, .integer, .float: self
    case .operand(let index): .operand(operand(index))
    case .unary(let op, let value): .unary(op, registers(value))
    case .binary(let op, let left, let right): .binary(op, registers(left), registers(right))
    case .fma(let a, let b, let c): .fma(registers(a), registers(b), registers(c))
    case .select(let condition, let a, let b): .select(registers(condition), registers(a), registers(b))
    case .convert(let element, let value): .convert(element, registers(value))
    case .requant(let sum, let multiplier, let shift, let zeroPoint, let low, let high):
      .requant(
        registers(sum), multiplier: registers(multiplier), shift: registers(shift), zeroPoint: zeroPoint,
        low: low, high: high)
    case .quantize(let value, let scale, let zeroPoint, let low, let high):
      .quantize(registers(value), scale: registers(scale), zeroPoint: zeroPoint, low: low, high: high)
    case .dequantize(let value, let scale, let zeroPoint):
      .dequantize(registers(value), scale: registers(scale), zeroPoint: zeroPoint)
    case .table(let index, let key): .table(table(index), registers(key))
    }
  }
}

extension Program {
  /// The operands that the program reads, ascending, each once.
  public var operandsRead: [Int] {
    var indices: [Int] = []
    for register in steps.ids {
      if case .operand(let index) = steps[register], !indices.contains(index) { indices.append(index) }
    }
    return indices.sorted()
  }

  /// The program that computes its result from another step in the place of one of its own.
  public func replacing(_ register: Register, with step: Step) -> Program {
    var program = self
    program.steps[register] = step
    return program.withoutDeadSteps
  }

  /// Whether some step reads the input.
  public var readsInput: Bool { steps.ids.contains { steps[$0] == .input } }

  /// Appends the steps of `program`, its `input` read from the register `input`, its operands and tables
  /// renumbered. Returns the register of its result.
  /// - Precondition: `program` is well typed; `input` is given unless the program reads none.
  public mutating func append(
    _ program: Program, input: Register?, operand: (Int) -> Int = { $0 }, table: (Int) -> Int = { $0 }
  ) -> Register {
    var renamed = SideTable<Register, Register>(default: .none)
    for register in program.steps.ids {
      let step = program.steps[register]
      if step == .input, let input {
        renamed[register] = input
      } else {
        renamed[register] = append(
          step.mapping(registers: { renamed[$0] }, operand: operand, table: table))
      }
    }
    return renamed[program.result]
  }

  /// The same program over other tables.
  func mappingTables(_ table: (Int) -> Int) -> Program {
    Program(steps: steps.ids.map { steps[$0].mapping(registers: { $0 }, table: table) }, result: result)
  }

  /// The program without the steps that its result does not depend on.
  public var withoutDeadSteps: Program {
    var isLive = SideTable<Register, Bool>(default: false)
    isLive[result] = true
    for register in steps.ids.reversed() where isLive[register] {
      for read in steps[register].reads { isLive[read] = true }
    }
    var renamed = SideTable<Register, Register>(default: .none)
    return Program { program in
      for register in steps.ids where isLive[register] {
        renamed[register] = program.append(steps[register].mapping(registers: { renamed[$0] }))
      }
      return renamed[result]
    }
  }
}
