import KernelIR
import Support
import Tensors

/// The smallest of the operands, element by element.
public struct Min: VariadicFunction {
  public static let schema = Schema("Min", since: [1, 6, 8, 12, 13], operands: 1...(.max))
  public static let fields: [AttributeField<Min>] = []
  static let step = Program.Binary.minimum

  public init() {}

  func apply(_ a: Float, _ b: Float) -> Float { Arithmetic.minimum(a, b) }
  func apply(_ a: Double, _ b: Double) -> Double { a.isNaN || b.isNaN ? .nan : min(a, b) }
  func apply(_ a: Int, _ b: Int) -> Int { min(a, b) }
}
