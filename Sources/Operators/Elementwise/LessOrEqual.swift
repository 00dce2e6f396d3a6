import KernelIR
import Support
import Tensors

/// Whether a ≤ b, with broadcasting.
public struct LessOrEqual: ComparisonOperator {
  public static let schema = Schema("LessOrEqual", since: [12, 16], operands: 2...2)
  public static let fields: [AttributeField<LessOrEqual>] = []

  public init() {}

  func holds<Number: Comparable>(_ a: Number, _ b: Number) -> Bool { a <= b }

  func program(_ program: inout Program, _ a: Register, _ b: Register) -> Register {
    program.append(.lessOrEqual, a, b)
  }
}
