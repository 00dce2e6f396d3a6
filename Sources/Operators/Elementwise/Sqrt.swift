import KernelIR
import Support
import Tensors

/// The square root; NaN below 0.
public struct Sqrt: ElementwiseFunction {
  public static let schema = Schema("Sqrt", since: [1, 6, 13], operands: 1...1)
  public static let fields: [AttributeField<Sqrt>] = []

  public init() {}

  func apply(_ x: Float) -> Float { Arithmetic.sqrt(x) }
  func apply(_ x: Double) -> Double { x.squareRoot() }

  func program(_ program: inout Program, _ x: Register, isFloat: Bool) -> Register {
    program.append(.sqrt, x)
  }
}
