import KernelIR
import Support
import Tensors

/// a · b, with broadcasting.
public struct Mul: BinaryFunction {
  public static let schema = Schema("Mul", since: [1, 6, 7, 13, 14], operands: 2...2)
  public static let fields: [AttributeField<Mul>] = []
  static let step = Program.Binary.multiply

  public init() {}

  func apply(_ a: Float, _ b: Float) -> Float { Arithmetic.multiply(a, b) }
  func apply(_ a: Double, _ b: Double) -> Double { a * b }
  func apply(_ a: Int, _ b: Int) -> Int { a &* b }
}
