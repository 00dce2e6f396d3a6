import Tensors

/// The arithmetic that evaluators, kernels and both machine families share, to the bit: the normative form
/// of the rules A1 to A40 of Docs/arithmetic.md. `furc_arithmetic.h` and `furc_functions.h` are its twins in C.
public enum Arithmetic {}

// IEEE f32, half even, subnormals kept. Every NaN result is 0x7FC00000.
extension Arithmetic {
  /// The same value, NaN as 0x7FC00000.
  @inlinable public static func canonical(_ x: Float) -> Float { x.canonical }

  @inlinable public static func add(_ a: Float, _ b: Float) -> Float { (a + b).canonical }
  @inlinable public static func subtract(_ a: Float, _ b: Float) -> Float { (a - b).canonical }
  @inlinable public static func multiply(_ a: Float, _ b: Float) -> Float { (a * b).canonical }
  @inlinable public static func divide(_ a: Float, _ b: Float) -> Float { (a / b).canonical }

  /// a · b + c, one rounding.
  @inlinable public static func fma(_ a: Float, _ b: Float, _ c: Float) -> Float {
    c.addingProduct(a, b).canonical
  }

  /// NaN if either is; max(-0, +0) = +0.
  @inlinable public static func maximum(_ a: Float, _ b: Float) -> Float {
    if a.isNaN || b.isNaN { return .canonicalNaN }
    return a == b ? Float(bitPattern: a.bitPattern & b.bitPattern) : (a > b ? a : b)
  }

  /// NaN if either is; min(-0, +0) = -0.
  @inlinable public static func minimum(_ a: Float, _ b: Float) -> Float {
    if a.isNaN || b.isNaN { return .canonicalNaN }
    return a == b ? Float(bitPattern: a.bitPattern | b.bitPattern) : (a < b ? a : b)
  }

  /// min(max(x, low), high): NaN if any is, and `high` where `low` > `high`.
  @inlinable public static func clamp(_ x: Float, low: Float, high: Float) -> Float {
    minimum(maximum(x, low), high)
  }

  @inlinable public static func absolute(_ x: Float) -> Float { x.magnitude.canonical }

  /// Flips the sign, of zeros too.
  @inlinable public static func negate(_ x: Float) -> Float { (-x).canonical }

  /// The NaN is found by bits, since LLVM 21 takes `x < 0 ? .nan : sqrt(x)` for sqrt(x), whose NaN is negative.
  @inlinable public static func sqrt(_ x: Float) -> Float {
    let root = x.squareRoot().bitPattern
    return Float(bitPattern: root & 0x7FFF_FFFF > 0x7F80_0000 ? 0x7FC0_0000 : root)
  }

  /// 1 / x.
  @inlinable public static func reciprocal(_ x: Float) -> Float { (1 / x).canonical }

  /// 1 / sqrt(x), two roundings: at most 1.5 ulp. rsqrt(±0) = ±Inf.
  @inlinable public static func rsqrt(_ x: Float) -> Float { (1 / x.squareRoot()).canonical }

  @inlinable public static func floor(_ x: Float) -> Float { x.rounded(.down).canonical }
  @inlinable public static func ceil(_ x: Float) -> Float { x.rounded(.up).canonical }

  /// To an integer, ties to even; keeps the sign of zero.
  @inlinable public static func roundHalfEven(_ x: Float) -> Float { x.rounded(.toNearestOrEven).canonical }
}

// Comparisons give i32 0 or 1; with a NaN 0.
extension Arithmetic {
  @inlinable public static func equal(_ a: Float, _ b: Float) -> Int32 { a == b ? 1 : 0 }
  @inlinable public static func less(_ a: Float, _ b: Float) -> Int32 { a < b ? 1 : 0 }
  @inlinable public static func lessOrEqual(_ a: Float, _ b: Float) -> Int32 { a <= b ? 1 : 0 }
  @inlinable public static func equal(_ a: Int32, _ b: Int32) -> Int32 { a == b ? 1 : 0 }
  @inlinable public static func less(_ a: Int32, _ b: Int32) -> Int32 { a < b ? 1 : 0 }
  @inlinable public static func lessOrEqual(_ a: Int32, _ b: Int32) -> Int32 { a <= b ? 1 : 0 }
}
