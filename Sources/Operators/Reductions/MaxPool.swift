import KernelIR
import Support
import Tensors

/// The largest element under a window; taps outside do not count.
public struct MaxPool: PoolingOperator {
  public var kernelShape: [Int] = []
  public var strides: [Int] = []
  public var dilations: [Int] = []
  public var pads: [Int] = []
  public var autoPad = AutoPad.explicit
  public var ceilMode = false
  /// Of the second result, which is not supported.
  public var storageOrder = 0

  public static let schema = Schema("MaxPool", since: [1, 8, 10, 11, 12, 22], operands: 1...1)
  public static let fields: [AttributeField<MaxPool>] = [
    AttributeField("kernel_shape", \.kernelShape), AttributeField("strides", \.strides),
    AttributeField("dilations", \.dilations), AttributeField("pads", \.pads),
    AttributeField("auto_pad", \.autoPad), AttributeField("ceil_mode", \.ceilMode),
    AttributeField("storage_order", \.storageOrder),
  ]
  static let elements: [ElementType] = ElementType.narrowFloats + [.i8, .u8]
  static let reduction = Kernel.Reduction.maximum

  public init() {}

  func window(_ spatial: Int) throws(Diagnostic) -> Window {
    guard kernelShape.count == spatial else {
      throw Diagnostic(.invalidAttribute, "kernel_shape = \(kernelShape) for \(spatial) dimensions")
    }
    return try Window(
      kernel: kernelShape, strides: strides, dilations: dilations, pads: pads, autoPad: autoPad,
      ceilMode: ceilMode)
  }

  func reduce(_ taps: [Float?], count: Int) -> Float { Arithmetic.maximum(of: taps.compactMap(\.self)) }
  func reduce(_ taps: [Int?]) -> Int { taps.compactMap(\.self).max() ?? Int(Int32.min) }
  func count(_ window: Window, axis: Int, position: Int, extent: Int) -> Int? { nil }
}
