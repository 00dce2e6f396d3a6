import CKernels
import Support
import Tensors

/// How often values of an f32 tensor fall where, in bounded memory and without knowing their range beforehand. Bins
/// are 2^exponent wide and start at multiples of it; where values exceed what the most bins hold, the width doubles
/// and neighbours merge, so that the order of tensors changes nothing once the range is the same. Zeros are counted
/// apart, since every scale holds them exactly; values that are not finite count for nothing. Of a tensor with more
/// than 2^16 elements a quarter is counted, in blocks, which is enough to tell its distribution; the range is that of
/// all.
public struct Histogram: Sendable {
  /// Of all values; nil where there were none.
  public private(set) var range: ValueRange?
  public private(set) var zeros: UInt64 = 0
  /// Of the bin `index` at position `index - first`: values within [index, index + 1) · 2^exponent.
  public private(set) var counts: [UInt64] = []
  public private(set) var first = 0
  public private(set) var exponent = 0

  /// A histogram has between half as many bins and this, once values differ by that much.
  public static let mostBins = Int(FURC_HISTOGRAM_BINS)
  /// Narrower bins would make the inverse of the width overflow.
  private static let leastExponent = -110

  public init() {}

  /// One of how many blocks of elements is counted.
  private static func stride(_ count: Int) -> Int64 { count > 1 << 16 ? 4 : 1 }

  public var width: Double { Double(sign: .plus, exponent: exponent, significand: 1) }

  /// The number of values that were counted.
  public var total: UInt64 { counts.reduce(zeros, +) }

  /// The middle of a bin.
  public func center(_ position: Int) -> Double { (Double(first + position) + 0.5) * width }

  /// Adds the elements of an f32 tensor.
  public mutating func add(_ tensor: Tensor) {
    tensor.withFloats { x in
      guard let base = x.baseAddress, x.count > 0 else { return }
      var (low, high) = (Float(0), Float(0))
      furc_range(base, Int64(x.count), &low, &high, Kernels.level)
      guard low <= high else { return }
      let added = ValueRange(low, high)
      range = added.union(range)
      makeRoom(for: added)
      let inverse = Float(sign: .plus, exponent: -exponent, significand: 1)
      let bins = counts.count
      counts.withUnsafeMutableBufferPointer { counts in
        guard let table = counts.baseAddress else { return }
        furc_histogram(
          base, Int64(x.count), Self.stride(x.count), inverse, Int32(clamping: first), Int32(bins), table,
          &zeros, Kernels.level)
      }
    }
  }

  /// Lets the bins cover `added`, by more of them or by wider ones.
  private mutating func makeRoom(for added: ValueRange) {
    // No bin's number needs more than 21 bits.
    let span = max(added.minimum.magnitude, added.maximum.magnitude)
    let least = span == 0 ? Self.leastExponent : max(Int(span.exponent) - 20, Self.leastExponent)
    if counts.isEmpty {
      exponent = least
      (first, counts) = (bin(added.minimum), [0])
    }
    while exponent < least { merge() }
    while max(bin(added.maximum), first + counts.count - 1) - min(bin(added.minimum), first) >= Self.mostBins
    {
      merge()
    }
    let (low, high) = (bin(added.minimum), bin(added.maximum))
    if low < first {
      counts.insert(contentsOf: [UInt64](repeating: 0, count: first - low), at: 0)
      first = low
    }
    let end = first + counts.count
    if high >= end { counts += [UInt64](repeating: 0, count: high - end + 1) }
  }

  private func bin(_ value: Float) -> Int {
    Int((Double(value) * Double(sign: .plus, exponent: -exponent, significand: 1)).rounded(.down))
  }

  /// Doubles the width.
  mutating func merge() {
    let start = first >> 1
    let last = (first + counts.count - 1) >> 1
    var merged = [UInt64](repeating: 0, count: last - start + 1)
    for (position, count) in counts.enumerated() { merged[((first + position) >> 1) - start] += count }
    (counts, first, exponent) = (merged, start, exponent + 1)
  }
}
