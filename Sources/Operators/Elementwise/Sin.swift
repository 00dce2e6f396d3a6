import Glibc
import KernelIR
import Support
import Tensors

/// The sine.
public struct Sin: ElementwiseFunction {
  public static let schema = Schema("Sin", since: [7, 22], operands: 1...1)
  public static let fields: [AttributeField<Sin>] = []

  public init() {}

  func apply(_ x: Float) -> Float { Arithmetic.sin(x) }
  func apply(_ x: Double) -> Double { Glibc.sin(x) }

  func program(_ program: inout Program, _ x: Register, isFloat: Bool) -> Register {
    program.append(.sin, x)
  }
}
