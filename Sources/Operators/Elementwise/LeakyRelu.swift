import KernelIR
import Support
import Tensors

/// x, or alpha · x below 0.
public struct LeakyRelu: ElementwiseFunction {
  public var alpha: Float = 0.01

  public static let schema = Schema("LeakyRelu", since: [1, 6, 16], operands: 1...1)
  public static let fields: [AttributeField<LeakyRelu>] = [AttributeField("alpha", \.alpha)]

  public init() {}

  func apply(_ x: Float) -> Float { x < 0 ? Arithmetic.multiply(alpha, x) : x }
  func apply(_ x: Double) -> Double { x < 0 ? Double(alpha) * x : x }

  func program(_ program: inout Program, _ x: Register, isFloat: Bool) -> Register {
    let isNegative = program.append(.less, x, program.append(constant: Float(0)))
    let scaled = program.append(.multiply, program.append(constant: alpha), x)
    return program.append(.select(isNegative, scaled, x))
  }
}
