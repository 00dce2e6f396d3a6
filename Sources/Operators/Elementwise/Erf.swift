import Glibc
import KernelIR
import Support
import Tensors

/// The error function.
public struct Erf: ElementwiseFunction {
  public static let schema = Schema("Erf", since: [9, 13], operands: 1...1)
  public static let fields: [AttributeField<Erf>] = []

  public init() {}

  func apply(_ x: Float) -> Float { Arithmetic.erf(x) }
  func apply(_ x: Double) -> Double { Glibc.erf(x) }

  func program(_ program: inout Program, _ x: Register, isFloat: Bool) -> Register {
    program.append(.erf, x)
  }
}
