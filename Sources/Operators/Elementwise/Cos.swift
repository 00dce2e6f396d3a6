import Glibc
import KernelIR
import Support
import Tensors

/// The cosine.
public struct Cos: ElementwiseFunction {
  public static let schema = Schema("Cos", since: [7, 22], operands: 1...1)
  public static let fields: [AttributeField<Cos>] = []

  public init() {}

  func apply(_ x: Float) -> Float { Arithmetic.cos(x) }
  func apply(_ x: Double) -> Double { Glibc.cos(x) }

  func program(_ program: inout Program, _ x: Register, isFloat: Bool) -> Register {
    program.append(.cos, x)
  }
}
