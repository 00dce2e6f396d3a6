import CKernels
import GraphIR
import Support
import Tensors

/// The interval that some real values span. Values that are not finite count for nothing, since no scale
/// could hold them: masks of -∞ saturate.
public struct ValueRange: Equatable, Sendable {
  public private(set) var minimum: Float
  public private(set) var maximum: Float

  /// - Precondition: finite, `minimum <= maximum`.
  public init(_ minimum: Float, _ maximum: Float) {
    precondition(minimum.isFinite && maximum.isFinite && minimum <= maximum, "\(minimum)…\(maximum)")
    self.minimum = minimum
    self.maximum = maximum
  }

  /// Of the finite elements of an f32 tensor; nil where there are none.
  public init?(_ tensor: Tensor) {
    guard tensor.element == .f32 else { return nil }
    var (low, high) = (Float.infinity, -Float.infinity)
    tensor.withFloats { x in
      guard let base = x.baseAddress else { return }
      furc_range(base, Int64(x.count), &low, &high, Kernels.level)
    }
    guard low <= high else { return nil }
    self.init(low, high)
  }

  /// The smallest interval around both.
  public func union(_ other: ValueRange?) -> ValueRange {
    guard let other else { return self }
    return ValueRange(min(minimum, other.minimum), max(maximum, other.maximum))
  }
}

extension ValueRange {
  /// Asymmetric i8 for the interval, widened to hold 0 exactly: scale (max - min) / 255 in f32, zero point
  /// -128 - min / scale, rounded half even. An interval of nothing but 0 gets the scale 1 / 255.
  public var asymmetric: Quantization {
    let (low, high) = (min(minimum, 0), max(maximum, 0))
    guard low < high else { return Quantization(scale: 1 / 255, zeroPoint: -128) }
    let span = high - low
    let scale = max(span.isFinite ? span / 255 : high / 255 - low / 255, .leastNormalMagnitude)
    let zero = (-128 - low / scale).rounded(.toNearestOrEven)
    return Quantization(scale: scale, zeroPoint: Int32(min(max(zero, -128), 127)))
  }
}
