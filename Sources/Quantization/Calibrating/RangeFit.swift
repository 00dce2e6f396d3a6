import GraphIR
import KernelIR
import Tensors

/// The interval that i8 numbers span best, by the histograms of the tensors that share a scale.
///
/// Beside the middle of each bin its whole mass is taken to lie there; zeros are exact in every scale.
package struct RangeFit {
  private let histograms: [Histogram]
  /// What all values span, widened to hold 0.
  private let whole: ValueRange

  /// - Parameter range: of everything that shares the scale, constants included.
  package init(_ histograms: [Histogram], range: ValueRange) {
    self.histograms = histograms.filter { !$0.counts.isEmpty }
    whole = ValueRange(min(range.minimum, 0), max(range.maximum, 0))
  }

  /// `automatic` and `grid`, which need to know more, are the whole range here.
  package func range(by method: CalibrationMethod) -> ValueRange {
    guard !histograms.isEmpty, whole.minimum < whole.maximum else { return whole }
    switch method {
    case .minMax, .automatic, .grid: return whole
    case .percentile(let share): return percentile(share / 100)
    case .meanSquaredError: return leastNoise(weights: histograms.map { _ in 1 })
    case .signalToNoise:
      return leastNoise(weights: histograms.map { 1 / max($0.energy, .leastNormalMagnitude) })
    case .entropy: return leastDivergence()
    }
  }

  // MARK: percentile

  /// Without as much mass at each end as half of what does not stay.
  private func percentile(_ share: Double) -> ValueRange {
    var (low, high) = (Float.infinity, -Float.infinity)
    for histogram in histograms {
      let cut = Double(histogram.total) * (1 - share) / 2
      let found = histogram.trimmed(cut)
      low = min(low, found.minimum)
      high = max(high, found.maximum)
    }
    return ValueRange(max(min(low, 0), whole.minimum), min(max(high, 0), whole.maximum))
  }

  // MARK: noise

  /// Each end in turn is moved towards 0 to where the noise is least.
  private func leastNoise(weights: [Double]) -> ValueRange {
    var best = whole
    var least = noise(best, weights)
    for _ in 0..<2 {
      let before = best
      for isHigh in [true, false] where (isHigh ? whole.maximum : whole.minimum) != 0 {
        var factor: Float = 1
        let start = best
        while factor > 0.1 {
          factor *= 0.97
          let range =
            isHigh
            ? ValueRange(start.minimum, whole.maximum * factor)
            : ValueRange(whole.minimum * factor, start.maximum)
          let found = noise(range, weights)
          if found < least { (best, least) = (range, found) }
        }
      }
      guard best != before, whole.minimum < 0, whole.maximum > 0 else { break }
    }
    return best
  }

  private func noise(_ range: ValueRange, _ weights: [Double]) -> Double {
    let quantization = range.asymmetric
    return zip(histograms, weights).reduce(0) { $0 + $1.1 * $1.0.noise(quantization) }
  }

  // MARK: entropy

  /// Both ends are moved towards 0 together.
  private func leastDivergence() -> ValueRange {
    let histograms = histograms.map(\.smoothed)
    func divergence(_ range: ValueRange) -> Double {
      let quantization = range.asymmetric
      return histograms.reduce(0) { $0 + $1.divergence(range, quantization) * Double($1.total) }
    }
    var (best, least) = (whole, divergence(whole))
    var factor: Float = 1
    while factor > 0.1 {
      factor *= 0.97
      let range = ValueRange(whole.minimum * factor, whole.maximum * factor)
      let found = divergence(range)
      if found < least { (best, least) = (range, found) }
    }
    return best
  }
}

extension Quantization {
  /// The i8 number nearest to a value.
  fileprivate func number(_ value: Double) -> Int {
    let rounded = (value / Double(scale[0])).rounded(.toNearestOrEven) + Double(zeroPoint[0])
    return Int(min(max(rounded, -128), 127))
  }

  fileprivate func value(_ number: Int) -> Double { Double(number - Int(zeroPoint[0])) * Double(scale[0]) }
}

extension Histogram {
  /// Σ x².
  var energy: Double {
    counts.indices.reduce(0) { $0 + Double(counts[$1]) * center($1) * center($1) }
  }

  /// Σ (x - round trip of x)².
  func noise(_ quantization: Quantization) -> Double {
    var sum = 0.0
    for position in counts.indices where counts[position] > 0 {
      let value = center(position)
      let error = value - quantization.value(quantization.number(value))
      sum += Double(counts[position]) * error * error
    }
    return sum
  }

  /// What is left without `cut` values at each end.
  fileprivate func trimmed(_ cut: Double) -> ValueRange {
    func edge(_ positions: some Sequence<Int>, outer: Double) -> Double? {
      var mass = 0.0
      for position in positions {
        mass += Double(counts[position])
        let holdsZero = first + position == 0 || first + position == -1
        if holdsZero { mass += Double(zeros) }
        if mass > cut { return (Double(first + position) + outer) * width }
      }
      return nil
    }
    let (low, high) = (range?.minimum ?? 0, range?.maximum ?? 0)
    let lower = edge(counts.indices, outer: 0).map { Float($0) } ?? low
    let upper = edge(counts.indices.reversed(), outer: 1).map { Float($0) } ?? high
    let (left, right) = (max(lower, low), min(upper, high))
    return left <= right ? ValueRange(left, right) : ValueRange(low, high)
  }

  /// With as wide bins as leave some tens of values in each: the raggedness of sparse ones is not information.
  fileprivate var smoothed: Histogram {
    var smooth = self
    while smooth.counts.count > 256, smooth.total < UInt64(smooth.counts.count) * 64 { smooth.merge() }
    return smooth
  }

  /// The divergence of the quantized distribution from that of the values, those outside the range counted at its
  /// ends: Σ p · ln(p / q). Each number's mass is spread over the bins that are not empty.
  fileprivate func divergence(_ range: ValueRange, _ quantization: Quantization) -> Double {
    var clipped: [Double] = []
    var inside: [Double] = []
    var numbers: [Int] = []
    let (low, high) = (Double(range.minimum), Double(range.maximum))
    var (below, above) = (0.0, 0.0)
    for position in counts.indices {
      let value = center(position)
      let mass = Double(counts[position])
      // A bin that an end lies in is inside.
      if value + width / 2 < low {
        below += mass
      } else if value - width / 2 > high {
        above += mass
      } else {
        clipped.append(mass)
        inside.append(mass)
        numbers.append(quantization.number(value))
      }
    }
    guard !clipped.isEmpty else { return .infinity }
    clipped[0] += below
    clipped[clipped.count - 1] += above
    var masses = [Double](repeating: 0, count: 256)
    var bins = [Double](repeating: 0, count: 256)
    for (mass, number) in zip(inside, numbers) { masses[number + 128] += mass }
    for (mass, number) in zip(clipped, numbers) where mass > 0 { bins[number + 128] += 1 }
    let exact = Double(zeros)
    let (all, kept) = (clipped.reduce(exact, +), inside.reduce(exact, +))
    guard all > 0, kept > 0 else { return .infinity }
    var sum = exact > 0 ? exact / all * Double(Arithmetic.log(Float(kept / all))) : 0
    for (mass, number) in zip(clipped, numbers) where mass > 0 {
      let p = mass / all
      // What is cut off may fall where nothing was: no more surprising than one value in a hundred thousand.
      let q = max(masses[number + 128] / bins[number + 128] / kept, 1e-5)
      sum += p * Double(Arithmetic.log(Float(p / q)))
    }
    return sum
  }
}
