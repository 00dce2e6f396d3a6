import KernelIR
import Support
import Tensors

/// Whether a = b, with broadcasting.
public struct Equal: ComparisonOperator {
  public static let schema = Schema("Equal", since: [1, 7, 11, 13, 19], operands: 2...2)
  public static let fields: [AttributeField<Equal>] = []
  static let elements: [ElementType] = ElementType.numbers + [.bool]

  public init() {}

  func holds<Number: Comparable>(_ a: Number, _ b: Number) -> Bool { a == b }

  func program(_ program: inout Program, _ a: Register, _ b: Register) -> Register {
    program.append(.equal, a, b)
  }
}
