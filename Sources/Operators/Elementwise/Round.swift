import KernelIR
import Support
import Tensors

/// The nearest integer, ties to even.
public struct Round: ElementwiseFunction {
  public static let schema = Schema("Round", since: [11, 22], operands: 1...1)
  public static let fields: [AttributeField<Round>] = []

  public init() {}

  func apply(_ x: Float) -> Float { Arithmetic.roundHalfEven(x) }
  func apply(_ x: Double) -> Double { x.rounded(.toNearestOrEven) }

  func program(_ program: inout Program, _ x: Register, isFloat: Bool) -> Register {
    program.append(.round, x)
  }
}
