import KernelIR
import Support
import Tensors

/// -x. Integers wrap.
public struct Neg: ElementwiseFunction {
  public static let schema = Schema("Neg", since: [1, 6, 13], operands: 1...1)
  public static let fields: [AttributeField<Neg>] = []
  static let elements: [ElementType] = ElementType.floats + [.i32, .i64]

  public init() {}

  func apply(_ x: Float) -> Float { Arithmetic.negate(x) }
  func apply(_ x: Double) -> Double { -x }
  func apply(_ x: Int) -> Int { 0 &- x }

  func program(_ program: inout Program, _ x: Register, isFloat: Bool) -> Register {
    program.append(.negate, x)
  }
}
