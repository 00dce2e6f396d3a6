import GraphIR
import Quantization
import Support
import Tensors
import TestSupport
import Testing

/// Histograms and what methods make of them.
struct RangeTests {
  private func tensor(_ values: [Float]) throws -> Tensor {
    try Tensor(TensorType(.f32, [values.count]), values)
  }

  /// Sums of uniform numbers: bell-shaped, with a few values far outside.
  private func bell(_ count: Int, outlier: Float, _ random: inout SeededRandom) -> [Float] {
    (0..<count).map { index in
      index % 20_000 == 7
        ? outlier : (0..<6).reduce(0) { sum, _ in sum + Float.random(in: -1...1, using: &random) }
    }
  }

  @Test(arguments: Seed.all) func histogramsForgetNothing(seed: Seed) throws {
    var random = seed.random
    var histogram = Histogram()
    var all: [Float] = []
    for part in 0..<6 {
      let scale = Float(sign: .plus, exponent: part * 3 - 8, significand: 1)
      let values = bell(500, outlier: -20, &random).map { $0 * scale } + [0, 0]
      all += values
      histogram.add(try tensor(values))
      #expect(histogram.counts.count <= Histogram.mostBins)
      #expect(histogram.total == UInt64(all.count))
      #expect(histogram.range == ValueRange(all.min() ?? 0, all.max() ?? 0))
    }
    #expect(histogram.zeros == 12)
    for position in histogram.counts.indices {
      let low = Double(histogram.first + position) * histogram.width
      let inside = all.count { $0 != 0 && Double($0) >= low && Double($0) < low + histogram.width }
      #expect(histogram.counts[position] == UInt64(inside))
    }
  }

  @Test func valuesOfAllSizesHaveBins() throws {
    for values in [[0], [.leastNonzeroMagnitude], [1e38, -1e38], [.nan], [1000, 1000.001], []] as [[Float]] {
      var histogram = Histogram()
      histogram.add(try tensor(values))
      histogram.add(try tensor(values.map { $0 / 2 }))
      #expect(histogram.total == UInt64(values.count { $0.isFinite } * 2))
    }
    // Masks of the largest number beside ordinary values.
    var histogram = Histogram()
    for values in [[1e-30, 0.5], [-.greatestFiniteMagnitude, 3], [1e-38, -1e-3]] as [[Float]] {
      histogram.add(try tensor(values))
    }
    #expect(histogram.total == 6 && histogram.counts.count <= Histogram.mostBins)
    #expect(
      RangeFit([histogram], range: ValueRange(-.greatestFiniteMagnitude, 3)).range(by: .meanSquaredError)
        .maximum >= 0)
  }

  /// Least squares is no worse than any other method, and the others do what their names say.
  @Test(arguments: Seed.all) func methodsDoWhatTheyAreFor(seed: Seed) throws {
    var random = seed.random
    let values = bell(60_000, outlier: 40, &random)
    var histogram = Histogram()
    histogram.add(try tensor(values))
    let fit = RangeFit([histogram], range: ValueRange(values.min() ?? 0, 40))
    func noise(_ method: CalibrationMethod) throws -> Double {
      var ratio = SignalToNoise()
      let x = try tensor(values)
      let rounded = try x.roundTrip(fit.range(by: method).asymmetric, .i8)
      ratio.add(reference: x, quantized: rounded)
      return ratio.noise
    }
    #expect(fit.range(by: .minMax).maximum == 40)
    #expect(fit.range(by: .percentile(99)).maximum < 8)
    #expect(fit.range(by: .percentile(100)).maximum == 40)
    #expect(fit.range(by: .entropy).maximum < 40)
    let least = try noise(.meanSquaredError)
    for method in CalibrationMethod.candidates { #expect(least <= (try noise(method)) * 1.02, "\(method)") }
    #expect(fit.range(by: .signalToNoise) == fit.range(by: .meanSquaredError))
  }

  /// A shared scale by signal to noise serves the quiet tensor, too; by squared error the loud one decides.
  @Test func sharedScalesWeighTensorsByTheirEnergy() throws {
    var random = SeededRandom(seed: 3)
    var (loud, quiet) = (Histogram(), Histogram())
    loud.add(try tensor((0..<4000).map { _ in Float.random(in: 0...100, using: &random) }))
    quiet.add(try tensor((0..<4000).map { _ in Float.random(in: 0...1, using: &random) }))
    let fit = RangeFit([loud, quiet], range: ValueRange(0, 100))
    #expect(fit.range(by: .signalToNoise).maximum < fit.range(by: .meanSquaredError).maximum)
  }

  @Test(arguments: [(1, 0), (0.003921569, 0), (0.0078125, -127), (0.0625, 0)] as [(Float, Int)])
  func inputsOfBytesStayExact(step: Float, first: Int) throws {
    var random = SeededRandom(seed: 5)
    var distinct = DistinctValues()
    let values = (0..<2000).map { _ in Float(Int.random(in: 0...200, using: &random) + first) * step }
    distinct.add(try tensor(values))
    let grid = try #require(distinct.grid)
    let x = try tensor(values)
    let back = try x.roundTrip(grid.asymmetric, .i8)
    for (value, found) in zip(values, back.floatElements()) {
      #expect(abs(value - found) <= abs(value) * 0x1p-20)
    }
  }

  @Test func otherInputsHaveNoGrid() throws {
    var random = SeededRandom(seed: 6)
    for values in [
      (0..<2000).map { _ in Float.random(in: 0...1, using: &random) },
      (0..<2000).map { _ in Float(Int.random(in: 0...400, using: &random)) }, [0, 1, 1.5, .nan], [3],
    ] {
      var distinct = DistinctValues()
      distinct.add(try tensor(values))
      #expect(distinct.grid == nil)
    }
  }

  @Test func methodsReadBackFromTheirNames() {
    for method in CalibrationMethod.candidates + [.automatic, .percentile(99.5), .percentile(100)] {
      #expect(CalibrationMethod(method.description) == method)
    }
    for word in ["", "max", "percentile:", "percentile:50", "percentile:101", "percentile:x", "MSE"] {
      #expect(CalibrationMethod(word) == nil)
    }
  }
}
