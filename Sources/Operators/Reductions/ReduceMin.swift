import KernelIR
import Support
import Tensors

/// The smallest element; of none, the greatest value of the type.
public struct ReduceMin: ReducingOperator {
  /// Of our own: operand 1 as an attribute.
  public var axes: [Int]?
  public var keepdims = true
  public var noopWithEmptyAxes = false

  public static let fields: [AttributeField<ReduceMin>] = [
    AttributeField("axes", \.axes), AttributeField("keepdims", \.keepdims),
    AttributeField("noop_with_empty_axes", \.noopWithEmptyAxes),
  ]
  static let elements: [ElementType] = ElementType.floats + [.i8, .u8, .i32, .u32, .i64, .u64]
  static let reduction = Kernel.Reduction.minimum

  public init() {}

  func reduce(_ values: [Float]) -> Float { Arithmetic.minimum(of: values) }
  func reduce(_ values: [Double]) -> Double {
    values.reduce(.infinity) { $0.isNaN || $1.isNaN ? .nan : min($0, $1) }
  }
  func reduce(_ values: [Int], of element: ElementType) -> Int {
    values.min() ?? Int(element.integerRange?.upperBound ?? 0)
  }
}
