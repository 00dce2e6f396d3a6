import GraphIR
import KernelIR
import Support
import Tensors

/// A node that takes 8-bit integers of one scale to 8-bit integers of another, so that its sums may be exact: with one scale on
/// both sides halves are common, which rule Q rounds as f32 arithmetic has it.
struct SmallIntegers {
  let x: LoweringContext.Argument
  let zero: Int32
  /// Of a step of the operand, in steps of the result.
  let ratio: Double
  let hasOneScale: Bool
  private let target: Quantization
  private let element: ElementType
  private let limits: ClosedRange<Int32>

  /// Nil where operand 0 or the result is not quantized to 8 bits with one scale.
  init?(_ context: LoweringContext) throws(Diagnostic) {
    x = try context.operand(0)
    let result = context.results[0]
    guard x.isSmallInteger, let zero = x.zeroPoint, let source = x.quantization, source.axis == nil,
      source.scale.count == 1, let target = result.quantization, target.axis == nil, target.scale.count == 1,
      result.stored.element.size == 1, let limits = result.stored.element.integerRange
    else { return nil }
    self.zero = zero
    self.target = target
    self.limits = limits
    element = result.stored.element
    ratio = Double(source.scale[0]) / Double(target.scale[0])
    hasOneScale = source.scale[0] == target.scale[0]
  }

  /// Reads the operand's stored numbers less the zero point; outside its bounds there is nothing.
  func read(_ operand: inout Operand) {
    operand.type = x.stored
    operand.pre = .less(zero)
    if operand.outside == .skip { operand.outside = .fill(UInt32(bitPattern: zero)) }
  }

  /// Ends a kernel with what follows its sum: `scale` steps of the result per unit of it.
  func finish(
    _ kernel: inout Kernel, scale: Double, _ follow: (inout Program, Register) -> Register = { $1 }
  ) throws(Diagnostic) {
    let parameters = try RequantParameters.lowered(scale: scale)
    kernel.element = element
    kernel.post = Program { program in
      let sum = follow(&program, program.append(.input))
      return program.append(
        .requant(
          sum, multiplier: program.append(.integer(parameters.multiplier)),
          shift: program.append(.integer(parameters.shift)), zeroPoint: target.zeroPoint[0],
          low: limits.lowerBound, high: limits.upperBound))
    }
  }
}

/// What `requant` multiplies by, and how far it shifts.
struct RequantParameters {
  let multiplier: Int32
  let shift: Int32

  /// - Throws: `notLowered` where the scale leaves the range of `requant`.
  static func lowered(scale: Double) throws(Diagnostic) -> RequantParameters {
    guard let found = Arithmetic.requantParameters(scale: scale) else {
      throw Diagnostic(.notLowered, "a requantization by \(scale)")
    }
    return RequantParameters(multiplier: found.multiplier, shift: found.shift)
  }
}

extension Program {
  /// The input less a zero point.
  static func less(_ zero: Int32) -> Program {
    guard zero != 0 else { return .identity }
    return Program { program in
      let input = program.append(.input)
      return program.append(.subtract, input, program.append(constant: zero))
    }
  }
}
