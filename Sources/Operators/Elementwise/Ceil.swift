import KernelIR
import Support
import Tensors

/// The next integer above.
public struct Ceil: ElementwiseFunction {
  public static let schema = Schema("Ceil", since: [1, 6, 13], operands: 1...1)
  public static let fields: [AttributeField<Ceil>] = []

  public init() {}

  func apply(_ x: Float) -> Float { Arithmetic.ceil(x) }
  func apply(_ x: Double) -> Double { x.rounded(.up) }

  func program(_ program: inout Program, _ x: Register, isFloat: Bool) -> Register {
    program.append(.ceil, x)
  }
}
