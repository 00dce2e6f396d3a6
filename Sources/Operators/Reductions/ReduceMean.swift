import KernelIR
import Support
import Tensors

/// The sum (of floats by the rule of `FloatSum`) divided by the f32 number of elements.
public struct ReduceMean: ReducingOperator {
  /// Of our own: operand 1 as an attribute.
  public var axes: [Int]?
  public var keepdims = true
  public var noopWithEmptyAxes = false

  public static let fields: [AttributeField<ReduceMean>] = [
    AttributeField("axes", \.axes), AttributeField("keepdims", \.keepdims),
    AttributeField("noop_with_empty_axes", \.noopWithEmptyAxes),
  ]
  static let elements: [ElementType] = ElementType.floats + [.i32, .u32, .i64, .u64]
  static let reduction = Kernel.Reduction.sum
  let isMean = true

  public init() {}

  func reduce(_ values: [Float]) -> Float { Arithmetic.divide(Arithmetic.sum(values), Float(values.count)) }
  func reduce(_ values: [Double]) -> Double { values.reduce(0, +) / Double(values.count) }
  func reduce(_ values: [Int], of element: ElementType) -> Int {
    values.isEmpty ? 0 : values.reduce(0, &+) / values.count
  }

  func finish(_ program: inout Program, _ value: Register, count: Int) -> Register {
    program.append(.divide, value, program.append(constant: Float(count)))
  }
}
