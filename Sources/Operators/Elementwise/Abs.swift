import KernelIR
import Support
import Tensors

/// |x|. The least integer stays itself.
public struct Abs: ElementwiseFunction {
  public static let schema = Schema("Abs", since: [1, 6, 13], operands: 1...1)
  public static let fields: [AttributeField<Abs>] = []
  static let elements: [ElementType] = ElementType.floats + [.i32, .i64]

  public init() {}

  func apply(_ x: Float) -> Float { Arithmetic.absolute(x) }
  func apply(_ x: Double) -> Double { x.magnitude }
  func apply(_ x: Int) -> Int { x < 0 ? 0 &- x : x }

  func program(_ program: inout Program, _ x: Register, isFloat: Bool) -> Register {
    program.append(.absolute, x)
  }
}
