import KernelIR
import Support
import Tensors

/// max(x, 0).
public struct Relu: ElementwiseFunction {
  public static let schema = Schema("Relu", since: [1, 6, 13, 14], operands: 1...1)
  public static let fields: [AttributeField<Relu>] = []
  static let elements: [ElementType] = ElementType.floats + [.i8, .i16, .i32, .i64]

  public init() {}

  func apply(_ x: Float) -> Float { Arithmetic.maximum(x, 0) }
  func apply(_ x: Double) -> Double { x.isNaN ? x : max(x, 0) }
  func apply(_ x: Int) -> Int { max(x, 0) }

  func program(_ program: inout Program, _ x: Register, isFloat: Bool) -> Register {
    let zero = isFloat ? program.append(constant: Float(0)) : program.append(constant: Int32(0))
    return program.append(.maximum, x, zero)
  }
}
