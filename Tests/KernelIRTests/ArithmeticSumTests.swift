import KernelIR
import Support
import Tensors
import TestSupport
import Testing

/// Reductions (A31 to A35) and exact FP8 sums (A36 to A38).
struct ArithmeticSumTests {
  /// Rule A31, word by word.
  static func literalSum(_ x: [Float]) -> Float {
    guard x.count > 64 else {
      var sum: Float = 0
      for value in x { sum += value }
      return sum
    }
    var p = [Float](repeating: 0, count: 16)
    for i in x.indices { p[i % 16] += x[i] }
    let left = ((p[0] + p[1]) + (p[2] + p[3])) + ((p[4] + p[5]) + (p[6] + p[7]))
    let right = ((p[8] + p[9]) + (p[10] + p[11])) + ((p[12] + p[13]) + (p[14] + p[15]))
    return left + right
  }

  @Test(arguments: Seed.all) func sumFollowsTheRule(seed: Seed) {
    var random = seed.random
    var differsFromOneChain = 0
    for count in [0, 1, 2, 16, 17, 63, 64, 65, 66, 80, 127, 128, 129, 1000, 5000] {
      let values = (0..<count).map { _ in Float.random(in: -1...1, using: &random) }
      #expect(Arithmetic.sum(values).bitPattern == Self.literalSum(values).bitPattern, "\(count)")
      differsFromOneChain += Arithmetic.sum(values) == values.reduce(0, +) ? 0 : 1
    }
    #expect(differsFromOneChain > 0)
    #expect(Arithmetic.sum([Float](repeating: -0.0, count: 3)).bitPattern == 0)
    #expect(Arithmetic.sum([.infinity, -.infinity]).bitPattern == 0x7FC0_0000)
  }

  @Test func chainsStartAtTheirNeutralElement() {
    #expect(Arithmetic.product([Float]()) == 1 && Arithmetic.product([2, 3, 0.5] as [Float]) == 3)
    #expect(Arithmetic.maximum(of: []) == -.infinity && Arithmetic.minimum(of: []) == .infinity)
    #expect(Arithmetic.maximum(of: [-0.0, 0.0, -1]).bitPattern == 0)
    #expect(Arithmetic.minimum(of: [1, .nan, 2]).bitPattern == 0x7FC0_0000)
  }

  @Test func splitSumIsABalancedTree() {
    var random = SeededRandom(seed: 4)
    let c = (0..<16).map { _ in Float.random(in: -1...1, using: &random) }
    #expect(Arithmetic.splitSum([]) == 0 && Arithmetic.splitSum([c[0]]) == c[0])
    #expect(Arithmetic.splitSum(Array(c[..<3])) == (c[0] + c[1]) + c[2])
    #expect(Arithmetic.splitSum(Array(c[..<5])) == ((c[0] + c[1]) + (c[2] + c[3])) + c[4])
    #expect(Arithmetic.splitSum(Array(c[..<7])) == ((c[0] + c[1]) + (c[2] + c[3])) + ((c[4] + c[5]) + c[6]))
    let left = ((c[0] + c[1]) + (c[2] + c[3])) + ((c[4] + c[5]) + (c[6] + c[7]))
    let right = ((c[8] + c[9]) + (c[10] + c[11])) + ((c[12] + c[13]) + (c[14] + c[15]))
    #expect(Arithmetic.splitSum(c) == left + right)
  }

  static let formats: [(ExactSum.Format, ElementType)] = [(.e4m3, .f8e4m3), (.e5m2, .f8e5m2)]

  @Test func everyProductIsExact() {
    for (left, leftElement) in Self.formats {
      #expect(ExactSum.Format(leftElement) == left)
      for (right, rightElement) in Self.formats {
        for a in UInt8.min ... .max {
          for b in UInt8.min ... .max {
            var sum = ExactSum(left, right)
            sum.add(product: a, b)
            // Every product of two FP8 numbers has at most 8 bits: exact in f32.
            let expected = leftElement.decode(UInt32(a)) * rightElement.decode(UInt32(b))
            let isSame = expected.isNaN ? sum.rounded.bitPattern == 0x7FC0_0000 : sum.rounded == expected
            if !isSame { Issue.record("\(left) \(a) · \(right) \(b): \(sum.rounded)") }
            if expected == 0, sum.rounded.bitPattern != 0 { Issue.record("a zero sum is +0") }
          }
        }
      }
    }
  }

  /// A sum of numbers in a place-value system of base 2^24, with balanced borrows only at the end.
  struct Digits {
    var digits = [Int64](repeating: 0, count: 12)

    /// Adds `value` · 2^80; every FP8 product is a whole multiple of 2^-32.
    mutating func add(_ value: Double) {
      let exponent = value == 0 ? 0 : Int(value.exponent) - 52
      let mantissa =
        value == 0 ? 0 : Int64(Double(sign: value.sign, exponent: 52, significand: value.significand))
      let place = exponent + 80
      let shifted = Int128(mantissa) << Int128(place % 24)
      var rest = shifted.magnitude
      var index = place / 24
      while rest > 0 {
        digits[index] += (shifted < 0 ? -1 : 1) * Int64(rest & 0xFF_FFFF)
        rest >>= 24
        index += 1
      }
    }

    /// In units of 2^-80, normalised to a sign and digits 0…2^24 - 1, most significant last.
    var normalised: (isNegative: Bool, digits: [Int64]) {
      func carried(_ digits: [Int64]) -> ([Int64], Int64) {
        var carry: Int64 = 0
        let result = digits.map { digit in
          let total = digit + carry
          carry = total >> 24
          return total & 0xFF_FFFF
        }
        return (result, carry)
      }
      let (positive, carry) = carried(digits)
      return carry >= 0 ? (false, positive) : (true, carried(digits.map { -$0 }).0)
    }

    /// Half even to 24 bits, bit by bit.
    var rounded: Float {
      let (isNegative, digits) = normalised
      let bits = digits.flatMap { digit in (0..<24).map { digit >> Int64($0) & 1 } }
      guard let top = bits.lastIndex(of: 1) else { return 0 }
      var mantissa: Int64 = 0
      for place in 0..<24 { mantissa = mantissa << 1 | (top >= place ? bits[top - place] : 0) }
      let below = bits[..<max(0, top - 23)]
      if below.last == 1, below.dropLast().contains(1) || mantissa & 1 == 1 { mantissa += 1 }
      let magnitude = Double(mantissa) * Double(sign: .plus, exponent: top - 23 - 80, significand: 1)
      return isNegative ? -Float(magnitude) : Float(magnitude)
    }
  }

  @Test(arguments: Seed.all) func sumsRoundOnce(seed: Seed) {
    var random = seed.random
    for (left, leftElement) in Self.formats {
      for (right, rightElement) in Self.formats {
        for count in [1, 2, 3, 17, 300, 2000] {
          for _ in 0..<20 {
            var sum = ExactSum(left, right)
            var reversed = ExactSum(left, right)
            var digits = Digits()
            let limit = left == .e4m3 ? 0x7F : 0x7C
            let pairs = (0..<count).map { _ in
              let a = UInt8.random(in: 0..<UInt8(limit), using: &random)
              let b = UInt8.random(in: 0..<UInt8(right == .e4m3 ? 0x7F : 0x7C), using: &random)
              return (a | (Bool.random(using: &random) ? 0x80 : 0), b)
            }
            for (a, b) in pairs {
              sum.add(product: a, b)
              digits.add(Double(leftElement.decode(UInt32(a))) * Double(rightElement.decode(UInt32(b))))
            }
            for (a, b) in pairs.reversed() { reversed.add(product: a, b) }
            #expect(sum.rounded.bitPattern == digits.rounded.bitPattern)
            #expect(sum == reversed)
          }
        }
      }
    }
  }

  @Test func roundingTiesGoToEven() {
    #expect(ExactSum.round(0x100_0001, fractionBits: 18) == Float(0x100_0000) * 0x1p-18)
    #expect(ExactSum.round(0x100_0003, fractionBits: 18) == Float(0x100_0004) * 0x1p-18)
    #expect(ExactSum.round(-0x1FF_FFFF, fractionBits: 0) == -0x200_0000)
    #expect(ExactSum.round(1 << 100, fractionBits: 32) == 0x1p68)
    #expect(ExactSum.round((1 << 100) + 1, fractionBits: 32) == 0x1p68)
    #expect(ExactSum.round((1 << 100) + (1 << 76) + 1, fractionBits: 32) == (0x1p68 as Float).nextUp)
    #expect(ExactSum.round(0, fractionBits: 18).bitPattern == 0)
  }

  @Test func infinitiesFollowIEEE() {
    func sum(_ products: [(UInt8, UInt8)]) -> Float {
      var sum = ExactSum(.e5m2, .e5m2)
      for (a, b) in products { sum.add(product: a, b) }
      return sum.rounded
    }
    #expect(sum([(0x7C, 0x01), (0x80, 0x80)]) == .infinity)
    #expect(sum([(0x7C, 0x81)]) == -.infinity)
    #expect(sum([(0x7C, 0xFC)]) == -.infinity)
    #expect(sum([(0x7C, 0x00)]).bitPattern == 0x7FC0_0000)
    #expect(sum([(0x7C, 0x01), (0xFC, 0x01)]).bitPattern == 0x7FC0_0000)
    #expect(sum([(0x7D, 0x00)]).bitPattern == 0x7FC0_0000)
  }
}
