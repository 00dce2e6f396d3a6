/// ONNX FLOAT8E4M3FN: sign, 4 bits of exponent with bias 7, 3 of mantissa; largest 448, least 2^-9, one NaN
/// per sign, no infinity.
public enum Float8E4M3 {
  public static let largest: Float = 448
  public static let nan: UInt8 = 0x7F

  /// Rounds half even; beyond 448, infinities included, becomes ±448; -0 stays; NaN becomes 0x7F.
  @inlinable public static func encode(_ value: Float) -> UInt8 {
    let magnitude = value.bitPattern & 0x7FFF_FFFF
    let sign = UInt8(truncatingIfNeeded: value.bitPattern >> 24) & 0x80
    if magnitude > 0x7F80_0000 { return nan }
    if magnitude >= 0x3C80_0000 {  // 2^-6, the least normal number
      let rounded = (magnitude + 0x7_FFFF + (magnitude >> 20 & 1)) >> 20
      return sign | UInt8(min(rounded - (120 << 3), 0x7E))
    }
    // In [2^14, 2^15) the last place of a Float is 2^-9, so that the sum rounds half even to it.
    let sum = Float(bitPattern: magnitude) + 16384
    return sign | UInt8(truncatingIfNeeded: sum.bitPattern)
  }

  /// Exact; both NaN give 0x7FC00000.
  @inlinable public static func decode(_ code: UInt8) -> Float {
    if code & 0x7F == 0x7F { return .canonicalNaN }
    let magnitude = Float(bitPattern: UInt32(code & 0x7F) << 20) * 0x1p120
    return Float(bitPattern: magnitude.bitPattern | UInt32(code & 0x80) << 24)
  }
}

/// ONNX FLOAT8E5M2: sign, 5 bits of exponent with bias 15, 2 of mantissa; largest 57344, least 2^-16, with
/// infinities, which only `decode` knows, and three NaN per sign.
public enum Float8E5M2 {
  public static let largest: Float = 57344
  public static let nan: UInt8 = 0x7E

  /// Rounds half even; beyond 57344, infinities included, becomes ±57344; -0 stays; NaN becomes 0x7E.
  @inlinable public static func encode(_ value: Float) -> UInt8 {
    let magnitude = value.bitPattern & 0x7FFF_FFFF
    let sign = UInt8(truncatingIfNeeded: value.bitPattern >> 24) & 0x80
    if magnitude > 0x7F80_0000 { return nan }
    if magnitude >= 0x3880_0000 {  // 2^-14, the least normal number
      let rounded = (magnitude + 0xF_FFFF + (magnitude >> 21 & 1)) >> 21
      return sign | UInt8(min(rounded - (112 << 2), 0x7B))
    }
    // In [2^7, 2^8) the last place of a Float is 2^-16, so that the sum rounds half even to it.
    let sum = Float(bitPattern: magnitude) + 128
    return sign | UInt8(truncatingIfNeeded: sum.bitPattern)
  }

  /// Exact; all NaN give 0x7FC00000.
  @inlinable public static func decode(_ code: UInt8) -> Float {
    let sign = UInt32(code & 0x80) << 24
    let magnitude = UInt32(code & 0x7F)
    if magnitude > 0x7C { return .canonicalNaN }
    if magnitude == 0x7C { return Float(bitPattern: sign | 0x7F80_0000) }
    return Float(bitPattern: sign | (Float(bitPattern: magnitude << 21) * 0x1p112).bitPattern)
  }
}
