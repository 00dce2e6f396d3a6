import Tensors

/// A sum of FP8 products without rounding, in fixed point; `rounded` rounds it to f32 once. Wide enough for
/// 2^62 products, in any order. E4M3 has no infinities; for E5M2, Inf · 0 and Inf - Inf are NaN.
public struct ExactSum: Equatable, Sendable {
  public enum Format: Sendable {
    case e4m3
    case e5m2

    /// The format that an element type stores, or nil.
    public init?(_ element: ElementType) {
      switch element {
      case .f8e4m3: self = .e4m3
      case .f8e5m2: self = .e5m2
      default: return nil
      }
    }

    /// Finite values are whole multiples of 2^-fractionBits.
    @inlinable public var fractionBits: Int { self == .e4m3 ? 9 : 16 }
    @inlinable var mantissaBits: Int { self == .e4m3 ? 3 : 2 }
  }

  public let left: Format
  public let right: Format
  /// The finite products, in units of 2^-(left.fractionBits + right.fractionBits).
  public private(set) var units: Int128 = 0
  private var hasNaN = false
  private var hasPositiveInfinity = false
  private var hasNegativeInfinity = false

  public init(_ left: Format, _ right: Format) {
    self.left = left
    self.right = right
  }

  /// Adds the product of two codes.
  public mutating func add(product a: UInt8, _ b: UInt8) {
    switch (Self.decode(a, left), Self.decode(b, right)) {
    case (.finite(let a), .finite(let b)): units += Int128(a) * Int128(b)
    case (.nan, _), (_, .nan), (.infinite, .finite(0)), (.finite(0), .infinite): hasNaN = true
    default:
      if (a ^ b) & 0x80 == 0 { hasPositiveInfinity = true } else { hasNegativeInfinity = true }
    }
  }

  /// The sum, half even; +0 where it is zero.
  public var rounded: Float {
    if hasNaN || (hasPositiveInfinity && hasNegativeInfinity) { return .canonicalNaN }
    if hasPositiveInfinity { return .infinity }
    if hasNegativeInfinity { return -.infinity }
    return Self.round(units, fractionBits: left.fractionBits + right.fractionBits)
  }

  /// `units · 2^-fractionBits` in f32, half even.
  /// - Precondition: `fractionBits` is in 0…126, so that no result is subnormal; |units| < 2^127.
  public static func round(_ units: Int128, fractionBits: Int) -> Float {
    var magnitude = units.magnitude
    let surplus = max(0, 128 - magnitude.leadingZeroBitCount - 24)
    if surplus > 0 {
      let half = UInt128(1) << UInt128(surplus - 1)
      let odd = magnitude >> UInt128(surplus) & 1
      magnitude = (magnitude + half - 1 + odd) >> UInt128(surplus)
    }
    // At most 2^24, so the conversion is exact, and so is the scaling by a power of two.
    let value =
      Float(UInt32(magnitude)) * Float(sign: .plus, exponent: surplus - fractionBits, significand: 1)
    return units < 0 ? -value : value
  }

  private enum Decoded {
    /// In units of 2^-fractionBits: at most 33 bits.
    case finite(Int64)
    case infinite
    case nan
  }

  private static func decode(_ code: UInt8, _ format: Format) -> Decoded {
    let magnitude = Int64(code & 0x7F)
    switch format {
    case .e4m3: if magnitude == 0x7F { return .nan }
    case .e5m2: if magnitude >= 0x7C { return magnitude == 0x7C ? .infinite : .nan }
    }
    let exponent = magnitude >> format.mantissaBits
    let mantissa = magnitude & (1 << format.mantissaBits - 1)
    let units = exponent == 0 ? mantissa : (mantissa | 1 << format.mantissaBits) << (exponent - 1)
    return .finite(code & 0x80 == 0 ? units : -units)
  }
}
