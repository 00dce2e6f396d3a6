import Tensors

// Our own functions: each step is one IEEE operation, so that every CPU and the C twin find the same bits.
// Coefficients come from Tools/fit_functions.py; the error bounds hold over all 2^32 inputs.
extension Arithmetic {
  /// e^x, at most 1.02 ulp: 2^n · e^r with n = round(x / ln 2). Overflows to Inf, goes to 0 through subnormals.
  @inlinable public static func exp(_ x: Float) -> Float {
    if x.isNaN { return .canonicalNaN }
    let y = x > 89 ? 89 : (x < -104 ? -104 : x)
    // Adding 1.5 · 2^23 leaves the rounded n in the low bits.
    let biased = (0x1.8p23 as Float).addingProduct(y, 0x1.715476p0)
    let n = biased - 0x1.8p23
    var r = y.addingProduct(n, -0x1.62e43p-1)
    r = r.addingProduct(n, 0x1.05c61p-29)
    var p: Float = 0x1.6ad156p-10
    p = (0x1.123f3p-7 as Float).addingProduct(p, r)
    p = (0x1.55584ep-5 as Float).addingProduct(p, r)
    p = (0x1.55548ap-3 as Float).addingProduct(p, r)
    p = (0x1.fffffcp-2 as Float).addingProduct(p, r)
    let power = 1 + r.addingProduct(r * r, p)
    // By two factors, each a normal number; only the second product rounds.
    let exponent = Int32(bitPattern: biased.bitPattern &- 0x4B40_0000)
    let half = exponent >> 1
    let first = Float(bitPattern: UInt32(half + 127) << 23)
    let second = Float(bitPattern: UInt32(exponent - half + 127) << 23)
    return power * first * second
  }

  /// The natural logarithm, at most 0.95 ulp: x = 2^n · (1 + f) with 1 + f in [2/3, 4/3). log(±0) = -Inf,
  /// NaN below.
  @inlinable public static func log(_ x: Float) -> Float {
    if x.isNaN || x < 0 { return .canonicalNaN }
    if x == 0 { return -.infinity }
    if x == .infinity { return x }
    let isSubnormal = x < 0x1p-126
    let bits = (isSubnormal ? x * 0x1p23 : x).bitPattern
    let exponent = Int32(bitPattern: bits &- 0x3F2A_AAAB) >> 23
    let f = Float(bitPattern: bits &- UInt32(bitPattern: exponent) << 23) - 1
    let n = Float(exponent - (isSubnormal ? 23 : 0))
    var p: Float = -0x1.0931a2p-3
    p = (0x1.1ed144p-3 as Float).addingProduct(p, f)
    p = (-0x1.f25dfap-4 as Float).addingProduct(p, f)
    p = (0x1.1ebe68p-3 as Float).addingProduct(p, f)
    p = (-0x1.55a752p-3 as Float).addingProduct(p, f)
    p = (0x1.99d1f2p-3 as Float).addingProduct(p, f)
    p = (-0x1.fffe84p-3 as Float).addingProduct(p, f)
    p = (0x1.555502p-2 as Float).addingProduct(p, f)
    p = (-0x1p-1 as Float).addingProduct(p, f)
    return f.addingProduct(f * f, p).addingProduct(n, 0x1.62e43p-1)
  }

  /// 1 / (1 + e^-x), at most 1.97 ulp; for negative x as e^x · (1 / (1 + e^x)). One Newton step makes the
  /// quotient that of the unrounded sum.
  @inlinable public static func sigmoid(_ x: Float) -> Float {
    let z = exp(-x.magnitude)
    let sum = 1 + z
    let lost = z - (sum - 1)
    var inverse = 1 / sum
    let error = (1 as Float).addingProduct(-sum, inverse).addingProduct(-lost, inverse)
    inverse = inverse.addingProduct(error, inverse)
    return ((x >= 0 ? 1 : z) * inverse).canonical
  }

  /// At most 1.34 ulp, odd: x + x^3 · P(x^2) below 0.625, else 1 - 2 / (e^2x + 1).
  @inlinable public static func tanh(_ x: Float) -> Float {
    let a = x.magnitude
    let magnitude: Float
    if a < 0.625 {
      let s = a * a
      var p: Float = -0x1.7863cep-8
      p = (0x1.52cb4p-6 as Float).addingProduct(p, s)
      p = (-0x1.b85a38p-5 as Float).addingProduct(p, s)
      p = (0x1.110844p-3 as Float).addingProduct(p, s)
      p = (-0x1.55553ap-2 as Float).addingProduct(p, s)
      magnitude = a.addingProduct(a * s, p)
    } else {
      magnitude = 1 - 2 / (exp(a + a) + 1)
    }
    return Float(bitPattern: magnitude.bitPattern | x.bitPattern & 0x8000_0000).canonical
  }

  /// The error function, at most 1.02 ulp, odd: x + x · P(x^2) below 0.9375, else 1 - e^(-x - x · Q(x)).
  @inlinable public static func erf(_ x: Float) -> Float {
    let a = x.magnitude
    let magnitude: Float
    if a < 0.9375 {
      let s = a * a
      var p: Float = 0x1.4f8e58p-14
      p = (-0x1.a6126ep-11 as Float).addingProduct(p, s)
      p = (0x1.544aa8p-8 as Float).addingProduct(p, s)
      p = (-0x1.b8012p-6 as Float).addingProduct(p, s)
      p = (0x1.ce2d64p-4 as Float).addingProduct(p, s)
      p = (-0x1.81274p-2 as Float).addingProduct(p, s)
      p = (0x1.06eba8p-3 as Float).addingProduct(p, s)
      magnitude = a.addingProduct(p, a)
    } else {
      let t = a > 3.95 ? 3.95 : a
      var q: Float = 0x1.8ede7ap-17
      q = (-0x1.596432p-12 as Float).addingProduct(q, t)
      q = (0x1.e0f33cp-9 as Float).addingProduct(q, t)
      q = (-0x1.86410cp-6 as Float).addingProduct(q, t)
      q = (0x1.b36b5cp-4 as Float).addingProduct(q, t)
      q = (0x1.452d3ep-1 as Float).addingProduct(q, t)
      q = (0x1.077e1ep-3 as Float).addingProduct(q, t)
      magnitude = 1 - exp((-t).addingProduct(q, -t))
    }
    return Float(bitPattern: magnitude.bitPattern | x.bitPattern & 0x8000_0000).canonical
  }
}
