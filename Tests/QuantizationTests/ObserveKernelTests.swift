import CKernels
import GraphIR
import KernelIR
import Operators
import Support
import Tensors
import TestSupport
import Testing

/// The kernels of calibration: every level against plain loops.
struct ObserveKernelTests {
  private static let levels = 0...furc_cpu_best_level()

  /// Values of all kinds, many of them 0.
  private func values(_ count: Int, _ random: inout SeededRandom, finite: Bool = false) -> [Float] {
    (0..<count).map { _ in
      switch Int.random(in: 0..<8, using: &random) {
      case 0: 0
      case 1: -0.0
      case 2 where !finite: [Float.nan, .infinity, -.infinity].randomElement(using: &random) ?? 0
      default: Float.random(in: -9...4, using: &random)
      }
    }
  }

  @Test(arguments: Seed.all) func rangesAndHistogramsCountEveryValue(seed: Seed) {
    var random = seed.random
    for count in [0, 1, 15, 16, 17, 255, 256, 257, 5000] {
      let x = values(count, &random)
      let finite = x.filter(\.isFinite)
      var expected = [UInt64](repeating: 0, count: 128)
      for value in finite where value != 0 { expected[Int((value * 8).rounded(.down)) + 80] += 1 }
      for level in Self.levels {
        var (low, high) = (Float(0), Float(0))
        furc_range(x, Int64(count), &low, &high, level)
        #expect(low == finite.min() ?? .infinity && high == finite.max() ?? -.infinity)
        var counts = [UInt64](repeating: 0, count: 128)
        var zeros: UInt64 = 0
        furc_histogram(x, Int64(count), 1, 8, -80, 128, &counts, &zeros, level)
        #expect(counts == expected)
        #expect(zeros == UInt64(finite.count { $0 == 0 }))
      }
    }
  }

  @Test(arguments: Seed.all) func roundTripsAreThoseOfTheArithmetic(seed: Seed) {
    var random = seed.random
    let x = values(1000, &random)
    let (scale, zero) = (Float(0.0423), Int32(11))
    let stored = x.map { Arithmetic.quantize($0, scale: scale, zeroPoint: zero, low: -128, high: 127) }
    let expected = stored.map { Arithmetic.dequantize($0, scale: scale, zeroPoint: zero) }
    for level in Self.levels {
      var numbers = [Int8](repeating: 0, count: x.count)
      furc_quantize_i8(x, Int64(x.count), scale, zero, -128, 127, &numbers, level)
      #expect(numbers.map { Int32($0) } == stored)
      var back = [Float](repeating: 0, count: x.count)
      furc_round_trip(x, Int64(x.count), scale, zero, -128, 127, &back, level)
      #expect(back.map(\.bitPattern) == expected.map(\.bitPattern))
    }
  }

  @Test(arguments: Seed.all) func sumsAreTheSameBytesAtEveryLevel(seed: Seed) {
    var random = seed.random
    for count in [0, 5, 16, 77, 4096] {
      let x = values(count, &random, finite: true)
      let y = values(count, &random, finite: true)
      var first: [UInt64] = []
      for level in Self.levels {
        var (signal, noise) = (0.0, 0.0)
        furc_energies(x, y, Int64(count), &signal, &noise, level)
        let difference = furc_difference(x, y, Int64(count), level)
        let found = [signal, noise, difference].map(\.bitPattern)
        if first.isEmpty { first = found }
        #expect(found == first)
        let plain = zip(x, y).reduce(0) { $0 + (Double($1.0) - Double($1.1)) * (Double($1.0) - Double($1.1)) }
        #expect(abs(noise - plain) <= 1e-12 * max(plain, 1))
      }
    }
  }
}
