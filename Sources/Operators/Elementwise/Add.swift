import KernelIR
import Support
import Tensors

/// a + b, with broadcasting.
public struct Add: BinaryFunction {
  /// Of our own: applied to the sum before it is rounded.
  public var activation = Activation.none

  public static let schema = Schema("Add", since: [1, 6, 7, 13, 14], operands: 2...2)
  public static let fields: [AttributeField<Add>] = [AttributeField("activation", \.activation)]
  static let step = Program.Binary.add

  public init() {}

  func apply(_ a: Float, _ b: Float) -> Float { Arithmetic.add(a, b) }
  func apply(_ a: Double, _ b: Double) -> Double { a + b }
  func apply(_ a: Int, _ b: Int) -> Int { a &+ b }
}
