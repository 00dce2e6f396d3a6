import Glibc
import KernelIR
import Support
import Tensors

/// log(1 + e^x), as max(x, 0) + log(1 + e^-|x|), which does not overflow.
public struct Softplus: ElementwiseFunction {
  public static let schema = Schema("Softplus", since: [1, 22], operands: 1...1)
  public static let fields: [AttributeField<Softplus>] = []

  public init() {}

  func apply(_ x: Float) -> Float {
    let power = Arithmetic.exp(Arithmetic.negate(Arithmetic.absolute(x)))
    return Arithmetic.add(Arithmetic.maximum(x, 0), Arithmetic.log(Arithmetic.add(1, power)))
  }
  func apply(_ x: Double) -> Double { (x.isNaN ? x : max(x, 0)) + Glibc.log1p(Glibc.exp(-x.magnitude)) }

  func program(_ program: inout Program, _ x: Register, isFloat: Bool) -> Register {
    let power = program.append(.exp, program.append(.negate, program.append(.absolute, x)))
    let logarithm = program.append(.log, program.append(.add, program.append(constant: Float(1)), power))
    return program.append(
      .add, program.append(.maximum, x, program.append(constant: Float(0))), logarithm)
  }
}
