import KernelIR
import Support
import Tensors

/// The next integer below.
public struct Floor: ElementwiseFunction {
  public static let schema = Schema("Floor", since: [1, 6, 13], operands: 1...1)
  public static let fields: [AttributeField<Floor>] = []

  public init() {}

  func apply(_ x: Float) -> Float { Arithmetic.floor(x) }
  func apply(_ x: Double) -> Double { x.rounded(.down) }

  func program(_ program: inout Program, _ x: Register, isFloat: Bool) -> Register {
    program.append(.floor, x)
  }
}
