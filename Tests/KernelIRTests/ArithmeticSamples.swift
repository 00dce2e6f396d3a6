import Support

/// Inputs on which rounding, range checks and special cases turn.
enum Samples {
  static let floats: [Float] = {
    let magnitudes: [Float] = [
      0, .leastNonzeroMagnitude, 0x1p-126, 0x1p-125, 0x1p-64, 0x1p-24, 1e-5, 0.25, 0.5,
      0.625,
      0.9375, 1, 1.5, 2, 2.5, 3, 3.5, 3.95, 4, 9.1, 16, 17.33, 64, 87.33654, 88.72283, 88.72284, 89,
      103.27893,
      103.97208, 104, 150, 8_388_607.5, 8_388_608, 16_777_215, 0x1p28, 0x1.fffffep27, 0x1p30, 0x1p31,
      0x1.fffffep30, 0x1p32, 0x1p62, 0x1p100, .greatestFiniteMagnitude, .infinity, .pi, .pi / 2, .pi / 4,
      1 / 3, 2 / 3, 0x1.555556p-1, 1.3333333, 2.7182817, 0.69314718,
    ]
    let near = magnitudes.flatMap { [$0, $0.nextUp, $0.nextDown] }
    let nans = [0x7FC0_0000, 0xFFC0_0000, 0x7F80_0001, 0xFFFF_FFFF, 0x7FA5_5AA5].map(Float.init(bitPattern:))
    return near + near.map { -$0 } + nans
  }()

  static let integers: [Int32] =
    [
      0, 1, 2, 3, 5, 31, 32, 33, 62, 127, 128, 129, 255, 256, 32767, 32768, 65535, 65536, 16_777_215,
      16_777_216,
      16_777_217, 0x3FFF_FFFF, 0x4000_0000, 0x4000_0001, .max - 1, .max,
    ].flatMap { [$0, -$0] } + [.min, .min + 1]

  /// The edges, then random bit patterns.
  static func floats(_ count: Int, _ random: inout SeededRandom) -> [Float] {
    floats + (0..<count).map { _ in Float(bitPattern: UInt32(truncatingIfNeeded: random.next())) }
  }

  static func integers(_ count: Int, _ random: inout SeededRandom) -> [Int32] {
    integers + (0..<count).map { _ in Int32(truncatingIfNeeded: random.next()) }
  }
}
