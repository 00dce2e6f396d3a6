import Tensors

/// The means of f32 tensors of one number of channels (dimension 1), over everything else.
struct ChannelMeans: Sendable {
  private var sums: [Double] = []
  private var count = 0

  mutating func add(_ tensor: Tensor) {
    guard tensor.element == .f32, tensor.shape.count > 1, tensor.count > 0 else { return }
    let channels = tensor.shape[1]
    if sums.isEmpty { sums = [Double](repeating: 0, count: channels) }
    guard sums.count == channels else { return }
    tensor.forEachRun(along: 1) { values, _, count, channel in
      var sum = 0.0
      for index in 0..<count { sum += Double(values[index]) }
      sums[channel] += sum
    }
    count += tensor.count / channels
  }

  /// By how much each channel of `other` is below; empty where the two are not alike in number.
  func shift(to other: ChannelMeans) -> [Float] {
    guard count > 0, other.count == count, other.sums.count == sums.count else { return [] }
    return sums.indices.map { Float((sums[$0] - other.sums[$0]) / Double(count)) }
  }
}
