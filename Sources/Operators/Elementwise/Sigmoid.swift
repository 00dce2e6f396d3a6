import Glibc
import KernelIR
import Support
import Tensors

/// 1 / (1 + e^-x).
public struct Sigmoid: ElementwiseFunction {
  public static let schema = Schema("Sigmoid", since: [1, 6, 13], operands: 1...1)
  public static let fields: [AttributeField<Sigmoid>] = []

  public init() {}

  func apply(_ x: Float) -> Float { Arithmetic.sigmoid(x) }
  func apply(_ x: Double) -> Double { 1 / (1 + Glibc.exp(-x)) }

  func program(_ program: inout Program, _ x: Register, isFloat: Bool) -> Register {
    program.append(.sigmoid, x)
  }
}
