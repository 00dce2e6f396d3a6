import Tensors

extension Arithmetic {
  /// Nearest, ties to even.
  @inlinable public static func toFloat(_ x: Int32) -> Float { Float(x) }

  /// Towards zero; saturates; NaN to 0.
  @inlinable public static func toInteger(_ x: Float) -> Int32 {
    if x.isNaN { return 0 }
    if x >= 0x1p31 { return .max }
    return x < -0x1p31 ? .min : Int32(x)
  }

  /// clamp(roundHalfEven(x / scale) + zeroPoint): an f32 division, `toInteger` of the rounded quotient (so
  /// NaN counts as 0), a sum that does not wrap.
  @inlinable public static func quantize(
    _ x: Float, scale: Float, zeroPoint: Int32, low: Int32, high: Int32
  ) -> Int32 {
    let rounded = toInteger((x / scale).rounded(.toNearestOrEven))
    return clamp(Int64(rounded) + Int64(zeroPoint), low: low, high: high)
  }

  /// f32(q - zeroPoint) · scale: the difference wraps as i32, then two roundings.
  @inlinable public static func dequantize(_ q: Int32, scale: Float, zeroPoint: Int32) -> Float {
    (Float(q &- zeroPoint) * scale).canonical
  }
}
