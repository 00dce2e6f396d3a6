import Support
import Tensors

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
