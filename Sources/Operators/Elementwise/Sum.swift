import KernelIR
import Support
import Tensors

/// The sum of the operands, from the first on.
public struct Sum: VariadicFunction {
  public static let schema = Schema("Sum", since: [1, 6, 8, 12, 13], operands: 1...(.max))
  public static let fields: [AttributeField<Sum>] = []
  static let step = Program.Binary.add

  public init() {}

  func apply(_ a: Float, _ b: Float) -> Float { Arithmetic.add(a, b) }
  func apply(_ a: Double, _ b: Double) -> Double { a + b }
  func apply(_ a: Int, _ b: Int) -> Int { a &+ b }
}
