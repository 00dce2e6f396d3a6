import Glibc
import KernelIR
import Support
import Tensors

/// e^x.
public struct Exp: ElementwiseFunction {
  public static let schema = Schema("Exp", since: [1, 6, 13], operands: 1...1)
  public static let fields: [AttributeField<Exp>] = []

  public init() {}

  func apply(_ x: Float) -> Float { Arithmetic.exp(x) }
  func apply(_ x: Double) -> Double { Glibc.exp(x) }

  func program(_ program: inout Program, _ x: Register, isFloat: Bool) -> Register {
    program.append(.exp, x)
  }
}
