import KernelIR
import Support
import Tensors

/// The largest element; of none, the least value of the type.
public struct ReduceMax: ReducingOperator {
  /// Of our own: operand 1 as an attribute.
  public var axes: [Int]?
  public var keepdims = true
  public var noopWithEmptyAxes = false

  public static let fields: [AttributeField<ReduceMax>] = [
    AttributeField("axes", \.axes), AttributeField("keepdims", \.keepdims),
    AttributeField("noop_with_empty_axes", \.noopWithEmptyAxes),
  ]
  static let elements: [ElementType] = ElementType.floats + [.i8, .u8, .i32, .u32, .i64, .u64]
  static let reduction = Kernel.Reduction.maximum

  public init() {}

  func reduce(_ values: [Float]) -> Float { Arithmetic.maximum(of: values) }
  func reduce(_ values: [Double]) -> Double {
    values.reduce(-.infinity) { $0.isNaN || $1.isNaN ? .nan : max($0, $1) }
  }
  func reduce(_ values: [Int], of element: ElementType) -> Int {
    values.max() ?? Int(element.integerRange?.lowerBound ?? 0)
  }
}
