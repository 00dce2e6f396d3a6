import Glibc
import KernelIR
import Support
import Tensors

/// x, or alpha · (e^x - 1) below 0.
public struct Elu: ElementwiseFunction {
  public var alpha: Float = 1

  public static let schema = Schema("Elu", since: [1, 6, 22], operands: 1...1)
  public static let fields: [AttributeField<Elu>] = [AttributeField("alpha", \.alpha)]

  public init() {}

  func apply(_ x: Float) -> Float {
    x < 0 ? Arithmetic.multiply(alpha, Arithmetic.subtract(Arithmetic.exp(x), 1)) : x
  }
  func apply(_ x: Double) -> Double { x < 0 ? Double(alpha) * Glibc.expm1(x) : x }

  func program(_ program: inout Program, _ x: Register, isFloat: Bool) -> Register {
    let isNegative = program.append(.less, x, program.append(constant: Float(0)))
    let power = program.append(.subtract, program.append(.exp, x), program.append(constant: Float(1)))
    let scaled = program.append(.multiply, program.append(constant: alpha), power)
    return program.append(.select(isNegative, scaled, x))
  }
}
