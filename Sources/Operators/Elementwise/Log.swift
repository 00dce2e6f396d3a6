import Glibc
import KernelIR
import Support
import Tensors

/// The natural logarithm.
public struct Log: ElementwiseFunction {
  public static let schema = Schema("Log", since: [1, 6, 13], operands: 1...1)
  public static let fields: [AttributeField<Log>] = []

  public init() {}

  func apply(_ x: Float) -> Float { Arithmetic.log(x) }
  func apply(_ x: Double) -> Double { Glibc.log(x) }

  func program(_ program: inout Program, _ x: Register, isFloat: Bool) -> Register {
    program.append(.log, x)
  }
}
