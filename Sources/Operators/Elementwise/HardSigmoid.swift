import KernelIR
import Support
import Tensors

/// max(0, min(1, alpha · x + beta)), product and sum rounded each.
public struct HardSigmoid: ElementwiseFunction {
  public var alpha: Float = 0.2
  public var beta: Float = 0.5

  public static let schema = Schema("HardSigmoid", since: [1, 6, 22], operands: 1...1)
  public static let fields: [AttributeField<HardSigmoid>] = [
    AttributeField("alpha", \.alpha), AttributeField("beta", \.beta),
  ]

  public init() {}

  func apply(_ x: Float) -> Float {
    let line = Arithmetic.add(Arithmetic.multiply(alpha, x), beta)
    return Arithmetic.maximum(0, Arithmetic.minimum(1, line))
  }
  func apply(_ x: Double) -> Double { x.isNaN ? x : max(0, min(1, Double(alpha) * x + Double(beta))) }

  func program(_ program: inout Program, _ x: Register, isFloat: Bool) -> Register {
    let scaled = program.append(.multiply, program.append(constant: alpha), x)
    let line = program.append(.add, scaled, program.append(constant: beta))
    let low = program.append(.minimum, program.append(constant: Float(1)), line)
    return program.append(.maximum, program.append(constant: Float(0)), low)
  }
}
