import CKernels
import Support
import Tensors
import TestSupport
import Testing

/// The C conversions of number formats: decoding against the formats' definition, encoding against a search
/// for the nearest value, and both against the Swift ones.
struct FormatTwinTests {
  struct Format: Sendable, CustomTestStringConvertible {
    let element: ElementType
    let exponentBits: Int
    let mantissaBits: Int
    /// The largest finite code.
    let largest: UInt32
    let saturates: Bool
    let nan: UInt32
    let encode: @Sendable (Float) -> UInt32
    let decode: @Sendable (UInt32) -> Float

    var testDescription: String { element.rawValue }
    var signBit: UInt32 { 1 << UInt32(exponentBits + mantissaBits) }
    var bias: Int { (1 << (exponentBits - 1)) - 1 }
    var infinity: UInt32? { element == .f8e4m3 ? nil : largest + 1 }

    /// ± mantissa · 2^exponent by the fields of the code; the code behind the largest finite one counts as
    /// the number that it would be.
    func value(_ code: UInt32) -> Double {
      let mantissa = Int(code & (1 << UInt32(mantissaBits) - 1))
      let exponent = Int(code >> UInt32(mantissaBits)) & (1 << exponentBits - 1)
      let unit = Double(sign: .plus, exponent: max(exponent, 1) - bias - mantissaBits, significand: 1)
      let magnitude = Double(mantissa + (exponent > 0 ? 1 << mantissaBits : 0)) * unit
      return code & signBit == 0 ? magnitude : -magnitude
    }

    /// The nearest code by binary search over the midpoints between neighbours.
    func nearest(_ x: Float) -> UInt32 {
      if x.isNaN { return nan }
      let sign = x.sign == .minus ? signBit : 0
      let magnitude = Double(x.magnitude)
      var low: UInt32 = 0
      var high = largest + 1
      while low < high {
        let middle = (low + high) / 2
        let boundary = (value(middle) + value(middle + 1)) / 2
        let isBelow = magnitude < boundary || (magnitude == boundary && middle & 1 == 0)
        if isBelow { high = middle } else { low = middle + 1 }
      }
      return sign | (saturates ? min(low, largest) : low)
    }
  }

  static let formats: [Format] = [
    .init(
      element: .f8e4m3, exponentBits: 4, mantissaBits: 3, largest: 0x7E, saturates: true, nan: 0x7F,
      encode: { UInt32(furc_encode_e4m3($0)) }, decode: { furc_decode_e4m3(UInt8($0)) }),
    .init(
      element: .f8e5m2, exponentBits: 5, mantissaBits: 2, largest: 0x7B, saturates: true, nan: 0x7E,
      encode: { UInt32(furc_encode_e5m2($0)) }, decode: { furc_decode_e5m2(UInt8($0)) }),
    .init(
      element: .f16, exponentBits: 5, mantissaBits: 10, largest: 0x7BFF, saturates: false, nan: 0x7E00,
      encode: { UInt32(furc_encode_f16($0)) }, decode: { furc_decode_f16(UInt16($0)) }),
    .init(
      element: .bf16, exponentBits: 8, mantissaBits: 7, largest: 0x7F7F, saturates: false, nan: 0x7FC0,
      encode: { UInt32(furc_encode_bf16($0)) }, decode: { furc_decode_bf16(UInt16($0)) }),
  ]

  @Test(arguments: formats) func decodesEveryCode(_ format: Format) {
    for code in 0..<format.signBit * 2 {
      let decoded = format.decode(code)
      let magnitude = code & (format.signBit - 1)
      if magnitude <= format.largest {
        #expect(
          Double(decoded) == format.value(code) && (decoded.sign == .minus) == (code & format.signBit != 0))
      } else if magnitude == format.infinity {
        #expect(decoded == (code & format.signBit == 0 ? .infinity : -.infinity))
      } else {
        #expect(decoded.bitPattern == 0x7FC0_0000)
      }
      #expect(decoded.bitPattern == format.element.decode(code).bitPattern)
      if !decoded.isNaN, decoded.isFinite { #expect(format.encode(decoded) == code) }
    }
  }

  @Test(arguments: formats) func encodesToTheNearest(_ format: Format) {
    var differing: [Float] = []
    func check(_ x: Float) {
      let code = format.encode(x)
      if code != format.nearest(x) || code != format.element.encode(x) { differing.append(x) }
    }
    for code in 0...format.largest {
      let middle = Float((format.value(code) + format.value(code + 1)) / 2)
      for x in [Float(format.value(code)), middle, middle.nextUp, middle.nextDown] {
        check(x)
        check(-x)
      }
    }
    var random = SeededRandom(seed: 5)
    for _ in 0..<1_000_000 {
      let bits = random.next()
      check(Float(bitPattern: UInt32(truncatingIfNeeded: bits)))
      // And once within the format's range.
      let value = Float(format.value(UInt32(bits >> 32) % format.largest))
      check(value * Float.random(in: 0.5...2, using: &random))
    }
    for x in [Float.infinity, -.infinity, .nan, -.nan, .greatestFiniteMagnitude, .leastNonzeroMagnitude] {
      check(x)
    }
    let count = differing.count
    #expect(count == 0, "first \(differing.first ?? 0)")
  }
}
