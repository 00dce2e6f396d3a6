import KernelIR
import Support
import Tensors

/// The sum of the elements under a window, by the rule of `FloatSum`, divided by their f32 number; with
/// `count_include_pad` the taps in the padding count too, but never those beyond it.
public struct AveragePool: PoolingOperator {
  public var kernelShape: [Int] = []
  public var strides: [Int] = []
  public var dilations: [Int] = []
  public var pads: [Int] = []
  public var autoPad = AutoPad.explicit
  public var ceilMode = false
  public var countIncludePad = false

  public static let schema = Schema("AveragePool", since: [1, 7, 10, 11, 19, 22], operands: 1...1)
  public static let fields: [AttributeField<AveragePool>] = [
    AttributeField("kernel_shape", \.kernelShape), AttributeField("strides", \.strides),
    AttributeField("dilations", \.dilations), AttributeField("pads", \.pads),
    AttributeField("auto_pad", \.autoPad), AttributeField("ceil_mode", \.ceilMode),
    AttributeField("count_include_pad", \.countIncludePad),
  ]
  static let elements: [ElementType] = ElementType.narrowFloats
  static let reduction = Kernel.Reduction.sum

  public init() {}

  func window(_ spatial: Int) throws(Diagnostic) -> Window {
    guard kernelShape.count == spatial else {
      throw Diagnostic(.invalidAttribute, "kernel_shape = \(kernelShape) for \(spatial) dimensions")
    }
    return try Window(
      kernel: kernelShape, strides: strides, dilations: dilations, pads: pads, autoPad: autoPad,
      ceilMode: ceilMode)
  }

  func reduce(_ taps: [Float?], count: Int) -> Float {
    Arithmetic.divide(Arithmetic.sum(taps.map { $0 ?? 0 }), Float(count))
  }

  func reduce(_ taps: [Int?]) -> Int { 0 }

  func count(_ window: Window, axis: Int, position: Int, extent: Int) -> Int? {
    let padding = window.padding(axis, extent)
    let start = countIncludePad ? -padding.begin : 0
    let range = start..<max(countIncludePad ? extent + padding.end : extent, start)
    return (0..<window.kernel[axis]).count { tap in
      range.contains(window.source(axis, position: position, tap: tap, begin: padding.begin))
    }
  }
}
