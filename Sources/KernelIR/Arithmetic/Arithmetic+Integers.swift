// i32 wraps. Requantization multiplies in 64 bits and rounds once.
extension Arithmetic {
  @inlinable public static func add(_ a: Int32, _ b: Int32) -> Int32 { a &+ b }
  @inlinable public static func subtract(_ a: Int32, _ b: Int32) -> Int32 { a &- b }
  @inlinable public static func multiply(_ a: Int32, _ b: Int32) -> Int32 { a &* b }
  @inlinable public static func maximum(_ a: Int32, _ b: Int32) -> Int32 { max(a, b) }
  @inlinable public static func minimum(_ a: Int32, _ b: Int32) -> Int32 { min(a, b) }
  @inlinable public static func negate(_ a: Int32) -> Int32 { 0 &- a }
  /// The absolute value of -2^31 is itself.
  @inlinable public static func absolute(_ a: Int32) -> Int32 { a < 0 ? 0 &- a : a }
  /// By the low five bits of `count`.
  @inlinable public static func shiftLeft(_ a: Int32, _ count: Int32) -> Int32 { a &<< count }
  /// Arithmetic, by the low five bits of `count`.
  @inlinable public static func shiftRight(_ a: Int32, _ count: Int32) -> Int32 { a &>> count }

  /// `value · 2^-shift` to nearest, ties to even.
  /// - Precondition: `shift` is in 0…62.
  @inlinable public static func shiftRightHalfEven(_ value: Int64, by shift: Int32) -> Int64 {
    guard shift > 0 else { return value }
    let floor = value >> shift
    let remainder = value - floor << shift
    let half = Int64(1) << (shift - 1)
    let roundsUp = remainder > half || (remainder == half && floor & 1 == 1)
    return roundsUp ? floor + 1 : floor
  }

  /// clamp(zeroPoint + roundHalfEven(sum · multiplier · 2^-shift)), rounding once; nothing wraps.
  /// - Precondition: `multiplier` ≥ 0 and `shift` in 0…62.
  @inlinable public static func requant(
    _ sum: Int32, multiplier: Int32, shift: Int32, zeroPoint: Int32, low: Int32, high: Int32
  ) -> Int32 {
    let rounded = shiftRightHalfEven(Int64(sum) * Int64(multiplier), by: shift)
    return clamp(rounded + Int64(zeroPoint), low: low, high: high)
  }

  /// min(max(value, low), high).
  @inlinable public static func clamp(_ value: Int64, low: Int32, high: Int32) -> Int32 {
    Int32(truncatingIfNeeded: min(max(value, Int64(low)), Int64(high)))
  }

  /// The nearest `multiplier · 2^-shift` to a scale, for `requant`: the multiplier in [2^30, 2^31), or 0
  /// with shift 0 for scales that round below 2^-32, which take every i32 sum to 0. Nil for scales that are
  /// negative or NaN, or that round to 2^31 or more.
  public static func requantParameters(scale: Double) -> (multiplier: Int32, shift: Int32)? {
    guard scale >= 0, scale < 0x1p31 else { return nil }
    guard scale >= 0x1p-33 else { return (0, 0) }
    var exponent = Int(scale.exponent)
    var multiplier = (scale.significand * 0x1p30).rounded(.toNearestOrEven)
    if multiplier == 0x1p31 {
      multiplier = 0x1p30
      exponent += 1
    }
    guard exponent <= 30 else { return nil }
    return exponent < -32 ? (0, 0) : (Int32(multiplier), Int32(30 - exponent))
  }
}
