import KernelIR
import Support
import Tensors

/// 1 / x.
public struct Reciprocal: ElementwiseFunction {
  public static let schema = Schema("Reciprocal", since: [1, 6, 13], operands: 1...1)
  public static let fields: [AttributeField<Reciprocal>] = []

  public init() {}

  func apply(_ x: Float) -> Float { Arithmetic.reciprocal(x) }
  func apply(_ x: Double) -> Double { 1 / x }

  func program(_ program: inout Program, _ x: Register, isFloat: Bool) -> Register {
    program.append(.reciprocal, x)
  }
}
