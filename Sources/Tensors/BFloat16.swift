extension Float {
  /// The NaN that every operation results in: 0x7FC00000.
  @inlinable public static var canonicalNaN: Float { Float(bitPattern: 0x7FC0_0000) }

  /// The same value, with any NaN replaced by 0x7FC00000.
  @inlinable public var canonical: Float { isNaN ? .canonicalNaN : self }
}

/// The upper half of an f32: 8 bits of exponent, 7 of mantissa.
public enum BFloat16 {
  /// Rounds half even, beyond the largest finite number to infinity; NaN becomes 0x7FC0.
  @inlinable public static func encode(_ value: Float) -> UInt16 {
    let bits = value.bitPattern
    if bits & 0x7FFF_FFFF > 0x7F80_0000 { return 0x7FC0 }
    return UInt16(truncatingIfNeeded: (bits + 0x7FFF + (bits >> 16 & 1)) >> 16)
  }

  /// Exact; every NaN gives 0x7FC00000.
  @inlinable public static func decode(_ bits: UInt16) -> Float {
    Float(bitPattern: UInt32(bits) << 16).canonical
  }
}

/// IEEE binary16 through Swift's `Float16`, with one NaN.
public enum Half {
  /// Rounds half even, from 65520 on to infinity; NaN becomes 0x7E00.
  @inlinable public static func encode(_ value: Float) -> UInt16 {
    value.isNaN ? 0x7E00 : Float16(value).bitPattern
  }

  /// Exact; every NaN gives 0x7FC00000.
  @inlinable public static func decode(_ bits: UInt16) -> Float {
    Float(Float16(bitPattern: bits)).canonical
  }
}
