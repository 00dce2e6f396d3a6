import KernelIR
import Support
import Tensors

/// a / b, with broadcasting. Integers truncate toward zero; a division by 0 gives 0.
public struct Div: BinaryFunction {
  public static let schema = Schema("Div", since: [1, 6, 7, 13, 14], operands: 2...2)
  public static let fields: [AttributeField<Div>] = []
  static let step = Program.Binary.divide

  public init() {}

  func apply(_ a: Float, _ b: Float) -> Float { Arithmetic.divide(a, b) }
  func apply(_ a: Double, _ b: Double) -> Double { a / b }
  func apply(_ a: Int, _ b: Int) -> Int { b == 0 ? 0 : a.dividedReportingOverflow(by: b).partialValue }
}
