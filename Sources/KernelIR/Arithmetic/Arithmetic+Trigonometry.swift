import Tensors

// sin and cos reduce the angle and evaluate in f64, then round to f32 once: at most 0.51 ulp for every
// finite f32.
extension Arithmetic {
  @inlinable public static func sin(_ x: Float) -> Float {
    x.isFinite ? sine(of: reduced(x), plus: 0) : .canonicalNaN
  }

  @inlinable public static func cos(_ x: Float) -> Float {
    x.isFinite ? sine(of: reduced(x), plus: 1) : .canonicalNaN
  }

  /// x = quadrant · π/2 + rest modulo 2π, with |rest| ≤ π/4 and a little.
  @usableFromInline static func reduced(_ x: Float) -> (rest: Double, quadrant: UInt32) {
    guard x.magnitude >= 0x1p28 else {
      let wide = Double(x)
      let biased = (0x1.8p52 as Double).addingProduct(wide, 0x1.45f306dc9c883p-1)
      let n = biased - 0x1.8p52
      // The first step is exact, since both products are multiples of 2^-52.
      let rest = wide.addingProduct(n, -0x1.921fb54442d18p0).addingProduct(n, -0x1.1a62633145c07p-54)
      return (rest, UInt32(truncatingIfNeeded: biased.bitPattern))
    }
    let far = farReduced(x.bitPattern)
    return x < 0 ? (-far.rest, 0 &- far.quadrant) : far
  }

  /// |x| ≥ 2^28 by its bits (Payne and Hanek 1983): the mantissa times those 96 bits of 2/π that decide
  /// x · 2/π modulo 4 and 62 bits behind its point.
  static func farReduced(_ bits: UInt32) -> (rest: Double, quadrant: UInt32) {
    let skipped = (bits >> 23 & 0xFF) - 152
    let mantissa = UInt64(bits & 0x7F_FFFF | 0x80_0000)
    let word = Int(skipped >> 5)
    let shift = UInt64(skipped & 31)
    func window(_ index: Int) -> UInt64 {
      let pair = UInt64(twoOverPi(word + index)) << 32 | UInt64(twoOverPi(word + index + 1))
      return (pair << shift) >> 32
    }
    var product = (mantissa &* window(2)) >> 32
    product &+= mantissa &* window(1)
    product &+= mantissa &* window(0) << 32
    let quadrant = (product &+ 1 << 61) >> 62
    let rest = Double(Int64(bitPattern: product &- quadrant << 62)) * 0x1.921fb54442d18p-62
    return (rest, UInt32(quadrant))
  }

  /// Bits 32 · index and on of 2/π behind the binary point.
  static func twoOverPi(_ index: Int) -> UInt32 {
    switch index {
    case 0: 0xA2F9_836E
    case 1: 0x4E44_1529
    case 2: 0xFC27_57D1
    case 3: 0xF534_DDC0
    case 4: 0xDB62_9599
    case 5: 0x3C43_9041
    case 6: 0xFE51_63AB
    default: 0xDEBB_C561
    }
  }

  @usableFromInline static func sine(of angle: (rest: Double, quadrant: UInt32), plus more: UInt32) -> Float {
    let quadrant = angle.quadrant &+ more
    let r = angle.rest
    let s = r * r
    let magnitude: Double
    if quadrant & 1 == 0 {
      var p = -0x1.a9648a371cd93p-26
      p = (0x1.71d776a227b73p-19).addingProduct(p, s)
      p = (-0x1.a019f94ee17a6p-13).addingProduct(p, s)
      p = (0x1.1111110c9a26bp-7).addingProduct(p, s)
      p = (-0x1.5555555552385p-3).addingProduct(p, s)
      magnitude = r * (1.0).addingProduct(p, s)
    } else {
      var q = -0x1.241ca94f91945p-22
      q = (0x1.a010d556e7274p-16).addingProduct(q, s)
      q = (-0x1.6c16b81ba036bp-10).addingProduct(q, s)
      q = (0x1.5555554ecbf75p-5).addingProduct(q, s)
      q = (-0.5).addingProduct(q, s)
      magnitude = (1.0).addingProduct(q, s)
    }
    let result = Float(magnitude)
    return quadrant & 2 == 0 ? result : -result
  }
}
