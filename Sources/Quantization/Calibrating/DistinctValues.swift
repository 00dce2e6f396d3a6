import Tensors

/// The values of a tensor as long as they are few. Inputs that were made from bytes are multiples of one step, and a
/// scale of that step holds them exactly.
package struct DistinctValues: Sendable {
  /// Nil once there were more than 256, or one that is not finite.
  private(set) var values: Set<Float>? = []
  /// The last value of each hash, so that most values cost one comparison.
  private var recent = [Float](repeating: .nan, count: 1024)

  package init() {}

  package mutating func add(_ tensor: Tensor) {
    guard var values else { return }
    let isFew = tensor.withFloats { x in
      recent.withUnsafeMutableBufferPointer { recent in
        for value in x {
          let slot = Int((value.bitPattern &* 0x9E37_79B1) >> 22)
          if recent[slot] == value { continue }
          recent[slot] = value
          guard value.isFinite else { return false }
          if values.insert(value).inserted, values.count > 256 { return false }
        }
        return true
      }
    }
    self.values = isFew ? values : nil
  }

  /// The interval of 256 multiples of one step that holds all values but for their rounding, or nil where there is
  /// none. It begins at the smallest value, or at 0 where all are above.
  package var grid: ValueRange? {
    guard let sorted = values?.sorted(), let first = sorted.first, let last = sorted.last, sorted.count > 2
    else {
      return nil
    }
    let gaps = zip(sorted.dropFirst(), sorted).map { Double($0) - Double($1) }
    guard let least = gaps.min(), least > 0 else { return nil }
    // The largest value tells the step better than one gap does, which rounding blurs.
    let magnitude = max(abs(Double(first)), abs(Double(last)))
    let count = (magnitude / least).rounded()
    guard count <= 4096 else { return nil }
    let step = magnitude / count
    let isMultiple = sorted.allSatisfy { value in
      let steps = Double(value) / step
      return abs(steps - steps.rounded()) < 0.01
    }
    let (low, high) = (min(Double(first), 0), max(Double(last), 0))
    guard isMultiple, ((high - low) / step).rounded() <= 255 else { return nil }
    return ValueRange(Float(low), Float(low + 255 * step))
  }
}
