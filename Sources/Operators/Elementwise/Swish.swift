import KernelIR
import Support
import Tensors

/// x · sigmoid(alpha · x), each product rounded; without the inner product where alpha is 1.
public struct Swish: ElementwiseFunction {
  public var alpha: Float = 1

  public static let schema = Schema("Swish", since: [24], operands: 1...1)
  public static let fields: [AttributeField<Swish>] = [AttributeField("alpha", \.alpha)]

  public init() {}

  func apply(_ x: Float) -> Float {
    Arithmetic.multiply(x, Arithmetic.sigmoid(alpha == 1 ? x : Arithmetic.multiply(alpha, x)))
  }
  func apply(_ x: Double) -> Double { x * Sigmoid().apply(Double(alpha) * x) }

  func program(_ program: inout Program, _ x: Register, isFloat: Bool) -> Register {
    let scaled = alpha == 1 ? x : program.append(.multiply, program.append(constant: alpha), x)
    return program.append(.multiply, x, program.append(.sigmoid, scaled))
  }
}
