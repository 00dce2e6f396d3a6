import Glibc
import KernelIR
import Support
import Tensors

/// The hyperbolic tangent.
public struct Tanh: ElementwiseFunction {
  public static let schema = Schema("Tanh", since: [1, 6, 13], operands: 1...1)
  public static let fields: [AttributeField<Tanh>] = []

  public init() {}

  func apply(_ x: Float) -> Float { Arithmetic.tanh(x) }
  func apply(_ x: Double) -> Double { Glibc.tanh(x) }

  func program(_ program: inout Program, _ x: Register, isFloat: Bool) -> Register {
    program.append(.tanh, x)
  }
}
