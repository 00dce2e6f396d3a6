import Glibc
import Support
import Tensors

/// The ratio of the energy of reference values to that of what quantization adds to them, over any number
/// of tensors.
public struct SignalToNoise: Sendable {
  private var signal = 0.0
  private var noise = 0.0

  public init() {}

  /// - Precondition: both of one shape; any element types.
  public mutating func add(reference: Tensor, quantized: Tensor) {
    precondition(reference.count == quantized.count, "\(reference.type) and \(quantized.type)")
    for (value, other) in zip(reference.doubleElements(), quantized.doubleElements()) {
      signal += value * value
      noise += (value - other) * (value - other)
    }
  }

  /// In dB; ∞ where nothing differs, -∞ where there is noise without signal.
  public var decibels: Double { noise == 0 ? .infinity : 10 * log10(signal / noise) }
}

/// The signal-to-quantization-noise ratio of one tensor in dB. - Precondition: both of one shape.
public func sqnr(reference: Tensor, quantized: Tensor) -> Double {
  var ratio = SignalToNoise()
  ratio.add(reference: reference, quantized: quantized)
  return ratio.decibels
}

/// Classes by the largest score, and how often they are right.
public enum TopOne {
  /// For each row of `scores[N, …]` the position of the first largest element; a tensor of rank 0 or 1 is
  /// one row. NaN is never the largest.
  public static func classes(_ scores: Tensor) -> [Int] {
    let rows = scores.shape.count > 1 ? scores.shape[0] : 1
    guard rows > 0 else { return [] }
    let values = scores.doubleElements()
    let width = values.count / rows
    return (0..<rows).map { row in
      var best = 0
      for column in 0..<width {
        let (value, largest) = (values[row * width + column], values[row * width + best])
        if value > largest || (largest.isNaN && !value.isNaN) { best = column }
      }
      return best
    }
  }

  /// The share of equal elements, 0 for none. - Precondition: as many of both.
  public static func agreement(_ classes: [Int], _ labels: [Int]) -> Double {
    precondition(classes.count == labels.count, "\(classes.count) classes, \(labels.count) labels")
    guard !labels.isEmpty else { return 0 }
    return Double(zip(classes, labels).count { $0 == $1 }) / Double(labels.count)
  }
}
