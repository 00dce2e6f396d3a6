import KernelIR
import Support
import Tensors

/// The largest of the operands, element by element.
public struct Max: VariadicFunction {
  public static let schema = Schema("Max", since: [1, 6, 8, 12, 13], operands: 1...(.max))
  public static let fields: [AttributeField<Max>] = []
  static let step = Program.Binary.maximum

  public init() {}

  func apply(_ a: Float, _ b: Float) -> Float { Arithmetic.maximum(a, b) }
  func apply(_ a: Double, _ b: Double) -> Double { a.isNaN || b.isNaN ? .nan : max(a, b) }
  func apply(_ a: Int, _ b: Int) -> Int { max(a, b) }
}
