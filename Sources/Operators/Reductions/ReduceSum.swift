import KernelIR
import Support
import Tensors

/// The sum, of floats by the rule of `FloatSum` in row-major order. Integers wrap.
public struct ReduceSum: ReducingOperator {
  /// Of our own: operand 1 as an attribute.
  public var axes: [Int]?
  public var keepdims = true
  public var noopWithEmptyAxes = false

  public static let fields: [AttributeField<ReduceSum>] = [
    AttributeField("axes", \.axes), AttributeField("keepdims", \.keepdims),
    AttributeField("noop_with_empty_axes", \.noopWithEmptyAxes),
  ]
  static let elements: [ElementType] = ElementType.floats + [.i32, .u32, .i64, .u64]
  static let reduction = Kernel.Reduction.sum

  public init() {}

  func reduce(_ values: [Float]) -> Float { Arithmetic.sum(values) }
  func reduce(_ values: [Double]) -> Double { values.reduce(0, +) }
  func reduce(_ values: [Int], of element: ElementType) -> Int { values.reduce(0, &+) }
}
