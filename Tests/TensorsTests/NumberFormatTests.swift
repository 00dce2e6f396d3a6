import Support
import Tensors
import TestSupport
import Testing

/// The formats against a definition of their own: the values of all codes from sign, exponent and mantissa,
/// and rounding as the search for the nearest of them.
struct NumberFormatTests {
  struct Format: CustomTestStringConvertible, Sendable {
    let element: ElementType
    let exponentBits: Int
    let mantissaBits: Int
    /// Magnitude codes of finite values are 0 ... this.
    let largestCode: UInt32
    let nan: UInt32
    let saturates: Bool
    var testDescription: String { element.rawValue }

    var codeCount: UInt32 { 1 << (1 + exponentBits + mantissaBits) }
    var signBit: UInt32 { codeCount / 2 }
    /// The first code above the finite ones: infinity, where there is one.
    var overflowCode: UInt32 { saturates ? largestCode : largestCode + 1 }

    /// By the definition of a binary format with gradual underflow; exact in f64.
    func magnitude(_ code: UInt32) -> Double {
      let exponent = Int(code >> mantissaBits)
      let mantissa = Double(code & (1 << mantissaBits - 1))
      let bias = 1 << (exponentBits - 1) - 1
      let unit = Double(sign: .plus, exponent: max(exponent, 1) - bias - mantissaBits, significand: 1)
      return unit * (mantissa + (exponent > 0 ? Double(1 << mantissaBits) : 0))
    }

    /// The nearest code of a finite or infinite value, ties to the even code, by bisection over the values.
    /// The value after the largest finite one takes part, then stands for overflow.
    func nearest(_ value: Double) -> UInt32 {
      let sign = value.sign == .minus ? signBit : 0
      var low: UInt32 = 0
      var high = largestCode + 1
      if value.magnitude >= magnitude(high) { return sign | overflowCode }
      while high - low > 1 {
        let middle = (low + high) / 2
        if magnitude(middle) <= value.magnitude { low = middle } else { high = middle }
      }
      let below = value.magnitude - magnitude(low)
      let above = magnitude(high) - value.magnitude
      let code = below < above || (below == above && low % 2 == 0) ? low : high
      return sign | (code > largestCode ? overflowCode : code)
    }
  }

  static let formats = [
    Format(element: .f8e4m3, exponentBits: 4, mantissaBits: 3, largestCode: 0x7E, nan: 0x7F, saturates: true),
    Format(element: .f8e5m2, exponentBits: 5, mantissaBits: 2, largestCode: 0x7B, nan: 0x7E, saturates: true),
    Format(
      element: .bf16, exponentBits: 8, mantissaBits: 7, largestCode: 0x7F7F, nan: 0x7FC0, saturates: false),
    Format(
      element: .f16, exponentBits: 5, mantissaBits: 10, largestCode: 0x7BFF, nan: 0x7E00, saturates: false),
  ]

  @Test(arguments: formats) func allCodesDecodeExactlyAndEncodeBack(format: Format) {
    for code in 0..<format.codeCount {
      let value = format.element.decode(code)
      let magnitude = code & (format.signBit - 1)
      if magnitude <= format.largestCode {
        let expected = code < format.signBit ? format.magnitude(magnitude) : -format.magnitude(magnitude)
        #expect(Double(value).bitPattern == expected.bitPattern)
        #expect(format.element.encode(value) == code)
        #expect(format.element.round(value).bitPattern == value.bitPattern)
      } else if value.isNaN {
        #expect(value.bitPattern == 0x7FC0_0000)
        #expect(format.element.encode(value) == format.nan)
      } else {
        #expect(value.isInfinite && magnitude == format.largestCode + 1)
        #expect(format.element.encode(value) == (code & format.signBit) | format.overflowCode)
      }
    }
  }

  /// Every code, every tie between neighbours, and the Floats and Doubles right beside both.
  @Test(arguments: formats) func roundingIsToTheNearestAndTiesToEven(format: Format) {
    for code in 0...format.largestCode {
      let value = format.magnitude(code)
      let tie = (value + format.magnitude(code + 1)) / 2
      for point in [value, tie] {
        for neighbour in [Float(point), Float(point).nextUp, Float(point).nextDown] {
          for signed in [neighbour, -neighbour] {
            #expect(format.element.encode(signed) == format.nearest(Double(signed)), "\(signed)")
          }
        }
        for neighbour in [point, point.nextUp, point.nextDown, -point, -point.nextUp, -point.nextDown] {
          #expect(format.element.encode(neighbour) == format.nearest(neighbour), "\(neighbour)")
        }
      }
    }
  }

  @Test(arguments: formats) func everySixtyFourThousandthFloatRoundsToTheNearest(format: Format) {
    for bits in stride(from: UInt32(1), to: 0xFFFF_0000, by: 65521) {
      let value = Float(bitPattern: bits)
      guard !value.isNaN else { continue }
      #expect(format.element.encode(value) == format.nearest(Double(value)), "\(value)")
    }
  }

  @Test(arguments: formats) func extremesFollowTheCastOfONNX(format: Format) {
    let element = format.element
    let overflow = format.overflowCode
    for (value, code) in [
      (Float.infinity, overflow), (-.infinity, format.signBit | overflow), (0, 0), (-0.0, format.signBit),
      (.greatestFiniteMagnitude, overflow), (.leastNonzeroMagnitude, 0), (.nan, format.nan),
      (-.nan, format.nan),
      (Float(bitPattern: 0x7F80_0001), format.nan), (Float(bitPattern: 0xFFFF_FFFF), format.nan),
    ] {
      #expect(element.encode(value) == code, "\(value)")
      #expect(element.encode(Double(value)) == code, "\(value)")
    }
    #expect(element.largestFinite.map(Double.init) == format.magnitude(format.largestCode))
  }

  /// The limits as ONNX's page on FP8 states them.
  @Test func publishedLimits() {
    #expect(ElementType.f8e4m3.decode(1) == 0x1p-9 && ElementType.f8e5m2.decode(1) == 0x1p-16)
    #expect(ElementType.f8e4m3.encode(Float(464)) == 0x7E && ElementType.f8e4m3.round(1e9) == 448)
    #expect(ElementType.f8e5m2.round(-61440) == -57344)
    #expect(ElementType.f8e4m3.encode(Float(432)) == 0x7E && ElementType.f8e4m3.encode(Float(1.0625)) == 0x38)
    #expect(
      ElementType.f16.encode(Float(65519.99)) == 0x7BFF && ElementType.f16.encode(Float(65520)) == 0x7C00)
  }

  /// Half the last place of f16 above 1, plus what only an f64 can hold: rounding twice would give 1.
  @Test func doublesRoundOnce() {
    let value = 1 + 0x1p-11 + 0x1p-40
    #expect(ElementType.f16.encode(value) == 0x3C01)
    #expect(ElementType.f16.encode(Float(value)) == 0x3C00)
    #expect(ElementType.f32.encode(value) == Float(value).bitPattern)
  }
}
