import KernelIR
import Support
import Tensors

/// Whether a > b, with broadcasting.
public struct Greater: ComparisonOperator {
  public static let schema = Schema("Greater", since: [1, 7, 9, 13], operands: 2...2)
  public static let fields: [AttributeField<Greater>] = []

  public init() {}

  func holds<Number: Comparable>(_ a: Number, _ b: Number) -> Bool { a > b }

  func program(_ program: inout Program, _ a: Register, _ b: Register) -> Register {
    program.append(.less, b, a)
  }
}
