import KernelIR
import Support
import TestSupport
import Testing

/// Integer rules A21 to A25, conversions A26 to A30, and the special cases of min, max and clamp.
struct ArithmeticRoundingTests {
  /// round(value · 2^-shift), ties to even, by division with remainder.
  static func halfEven(_ value: Int128, _ shift: Int) -> Int128 {
    let unit = Int128(1) << Int128(shift)
    var (quotient, remainder) = value.quotientAndRemainder(dividingBy: unit)
    if remainder < 0 {
      remainder += unit
      quotient -= 1
    }
    let twice = 2 * remainder
    return quotient + (twice > unit || (twice == unit && quotient % 2 != 0) ? 1 : 0)
  }

  @Test(arguments: Seed.all) func requantIsItsDefinition(seed: Seed) {
    var random = seed.random
    func check(_ sum: Int32, _ m: Int32, _ s: Int32, _ zeroPoint: Int32, _ low: Int32, _ high: Int32) {
      let exact = Self.halfEven(Int128(sum) * Int128(m), Int(s)) + Int128(zeroPoint)
      let expected = min(max(exact, Int128(low)), Int128(high))
      let found = Arithmetic.requant(sum, multiplier: m, shift: s, zeroPoint: zeroPoint, low: low, high: high)
      if Int128(found) != expected { Issue.record("requant(\(sum), \(m), \(s), \(zeroPoint)) = \(found)") }
    }
    for sum in Samples.integers {
      for m in Samples.integers where m >= 0 {
        for s in Int32(0)...62 {
          check(sum, m, s, -5, -128, 127)
          check(sum, m, s, 3, .min, .max)
        }
      }
    }
    for _ in 0..<300_000 {
      let m = Int32.random(in: 0x4000_0000 ... .max, using: &random)
      let s = Int32.random(in: 0...62, using: &random)
      check(
        .random(in: .min ... .max, using: &random), m, s, .random(in: -128...127, using: &random), -128, 127)
      // Ties: an odd multiple of half a unit.
      let tie = Int32.random(in: -0x4000...0x4000, using: &random) * 2 + 1
      check(tie, 0x4000_0000, 31, 0, .min, .max)
      check(tie << 3, 0x4000_0000, 34, 100, .min, .max)
    }
  }

  @Test(arguments: Seed.all) func shiftRoundsHalfEven(seed: Seed) {
    var random = seed.random
    for _ in 0..<300_000 {
      let shift = Int32.random(in: 0...62, using: &random)
      let value = Int64(bitPattern: random.next())
      let tie = (value >> 2) << shift | (shift > 0 ? 1 << (shift - 1) : 0)
      for x in [value, tie] {
        let expected = Self.halfEven(Int128(x), Int(shift))
        if Int128(Arithmetic.shiftRightHalfEven(x, by: shift)) != expected {
          Issue.record("\(x) by \(shift)")
        }
      }
    }
  }

  @Test(arguments: Seed.all) func requantParametersAreNearest(seed: Seed) throws {
    var random = seed.random
    for _ in 0..<100_000 {
      let exponent = Int.random(in: -32...30, using: &random)
      let scale = Double(sign: .plus, exponent: exponent, significand: .random(in: 1..<2, using: &random))
      guard let (m, s) = Arithmetic.requantParameters(scale: scale) else {
        #expect(scale > 0x1p31 - 1)
        continue
      }
      let inRange = m >= 0x4000_0000 && (0...62).contains(s)
      // Half a unit of the multiplier, which has 31 bits.
      let error = abs(Double(m) * Double(sign: .plus, exponent: -Int(s), significand: 1) - scale)
      if !inRange || error > Double(sign: .plus, exponent: exponent - 31, significand: 1) {
        Issue.record("\(scale): \(m) · 2^-\(s)")
      }
    }
  }

  @Test func requantParametersAtTheEnds() throws {
    func parameters(_ scale: Double) -> [Int32]? {
      Arithmetic.requantParameters(scale: scale).map { [$0.0, $0.1] }
    }
    #expect(parameters(1) == [0x4000_0000, 30])
    #expect(parameters(1.0.nextDown) == [0x4000_0000, 30])
    #expect(parameters(0.5) == [0x4000_0000, 31])
    #expect(parameters(0x1p30) == [0x4000_0000, 0])
    #expect(parameters(0x1.fffffffcp30) == [0x7FFF_FFFF, 0])
    #expect(parameters(0x1.ffffffffp30) == nil)
    #expect(parameters(0x1p31) == nil)
    #expect(parameters(.infinity) == nil)
    #expect(parameters(.nan) == nil)
    #expect(parameters(-1) == nil)
    #expect(parameters(0) == [0, 0])
    #expect(parameters(0x1p-32) == [0x4000_0000, 62])
    #expect(parameters(0x1.fffffp-33) == [0, 0])
    #expect(parameters(.leastNonzeroMagnitude) == [0, 0])
    // What 0 stands for is 0 for every sum: at most 2^31 · 2^-32, a tie.
    for sum in Samples.integers {
      #expect(
        Arithmetic.requant(sum, multiplier: 0x4000_0000, shift: 62, zeroPoint: 0, low: -9, high: 9) == 0)
    }
  }

  @Test(arguments: Seed.all) func quantizeIsItsDefinition(seed: Seed) {
    var random = seed.random
    for _ in 0..<300_000 {
      let scale = Float.random(in: 1e-3...1, using: &random)
      let steps = Float(Int.random(in: -600...600, using: &random)) / 2
      let x = Bool.random(using: &random) ? steps * scale : Float.random(in: -300...300, using: &random)
      let zeroPoint = Int32.random(in: -128...127, using: &random)
      let quotient = Double(x / scale)
      let exact = quotient.rounded(.toNearestOrEven) + Double(zeroPoint)
      let expected = Int32(min(max(exact, -128), 127))
      let q = Arithmetic.quantize(x, scale: scale, zeroPoint: zeroPoint, low: -128, high: 127)
      if q != expected { Issue.record("quantize(\(x), \(scale), \(zeroPoint)) = \(q)") }
      let back = Arithmetic.dequantize(q, scale: scale, zeroPoint: zeroPoint)
      if back != Float(Int(q) - Int(zeroPoint)) * scale { Issue.record("dequantize(\(q))") }
    }
  }

  @Test func conversionsSaturate() {
    #expect(Arithmetic.toInteger(.nan) == 0)
    #expect(Arithmetic.toInteger(.infinity) == .max)
    #expect(Arithmetic.toInteger(-.infinity) == .min)
    #expect(Arithmetic.toInteger(0x1p31) == .max)
    #expect(Arithmetic.toInteger((0x1p31 as Float).nextDown) == 2_147_483_520)
    #expect(Arithmetic.toInteger(-0x1p31) == .min)
    #expect(Arithmetic.toInteger(-1.99) == -1)
    #expect(Arithmetic.toFloat(16_777_217) == 16_777_216 && Arithmetic.toFloat(16_777_219) == 16_777_220)
    #expect(Arithmetic.quantize(.nan, scale: 1, zeroPoint: 5, low: -128, high: 127) == 5)
    #expect(Arithmetic.quantize(.infinity, scale: 1, zeroPoint: 5, low: -128, high: 127) == 127)
    #expect(Arithmetic.quantize(-.infinity, scale: 1, zeroPoint: .min, low: -128, high: 127) == -128)
    #expect(Arithmetic.quantize(0, scale: 0, zeroPoint: 5, low: -128, high: 127) == 5)
  }

  @Test func minimumAndMaximumOrderZerosAndPropagateNaN() {
    #expect(Arithmetic.maximum(-0.0, 0.0).bitPattern == 0)
    #expect(Arithmetic.maximum(0.0, -0.0).bitPattern == 0)
    #expect(Arithmetic.maximum(-0.0, -0.0).bitPattern == 0x8000_0000)
    #expect(Arithmetic.minimum(-0.0, 0.0).bitPattern == 0x8000_0000)
    #expect(Arithmetic.minimum(0.0, -0.0).bitPattern == 0x8000_0000)
    let nan = Float(bitPattern: 0xFF80_0001)
    for x in Samples.floats {
      for result in [Arithmetic.maximum(x, nan), Arithmetic.maximum(nan, x), Arithmetic.minimum(x, nan)] {
        #expect(result.bitPattern == 0x7FC0_0000)
      }
      #expect(Arithmetic.clamp(nan, low: x, high: x).bitPattern == 0x7FC0_0000)
      if !x.isNaN { #expect(Arithmetic.maximum(-.infinity, x).bitPattern == x.bitPattern) }
    }
    #expect(Arithmetic.clamp(5, low: 3, high: 1) == 1)
    #expect(Arithmetic.less(.nan, 1) == 0 && Arithmetic.equal(Float.nan, .nan) == 0)
    #expect(Arithmetic.lessOrEqual(-0.0, 0.0) == 1)
  }

  @Test func fmaRoundsOnce() {
    // (1 + 2^-12)^2 - (1 + 2^-11) = 2^-24, which two roundings lose.
    let x: Float = 1 + 0x1p-12
    #expect(Arithmetic.fma(x, x, -(1 + 0x1p-11)) == 0x1p-24)
    #expect(Arithmetic.subtract(Arithmetic.multiply(x, x), 1 + 0x1p-11) == 0)
  }
}
