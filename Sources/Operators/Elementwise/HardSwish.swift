import KernelIR
import Support
import Tensors

/// x · HardSigmoid(x) with alpha = 1/6 and beta = 1/2.
public struct HardSwish: ElementwiseFunction {
  public static let schema = Schema("HardSwish", since: [14, 22], operands: 1...1)
  public static let fields: [AttributeField<HardSwish>] = []

  public init() {}

  private var gate: HardSigmoid {
    var gate = HardSigmoid()
    gate.alpha = 1 / 6
    return gate
  }

  func apply(_ x: Float) -> Float { Arithmetic.multiply(x, gate.apply(x)) }
  func apply(_ x: Double) -> Double { x * gate.apply(x) }

  func program(_ program: inout Program, _ x: Register, isFloat: Bool) -> Register {
    program.append(.multiply, x, gate.program(&program, x, isFloat: isFloat))
  }
}
