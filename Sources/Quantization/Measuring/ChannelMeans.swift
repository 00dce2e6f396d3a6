import Tensors

/// The means of f32 tensors of one number of channels (dimension 1), over everything else.
struct ChannelMeans: Sendable {
  private var sums: [Double] = []
  private var count = 0

  mutating func add(_ tensor: Tensor) {
    guard tensor.element == .f32, tensor.shape.count > 1, tensor.count > 0 else { return }
    let channels = tensor.shape[1]
    let inner = tensor.shape[2...].reduce(1, *)
    if sums.isEmpty { sums = [Double](repeating: 0, count: channels) }
    guard sums.count == channels else { return }
    tensor.withFloats { values in
      for (block, start) in stride(from: 0, to: values.count, by: inner).enumerated() {
        var sum = 0.0
        for value in values[start..<start + inner] { sum += Double(value) }
        sums[block % channels] += sum
      }
    }
    count += tensor.count / channels
  }

  /// By how much each channel of `other` is below; empty where the two are not alike in number.
  func shift(to other: ChannelMeans) -> [Float] {
    guard count > 0, other.count == count, other.sums.count == sums.count else { return [] }
    return sums.indices.map { Float((sums[$0] - other.sums[$0]) / Double(count)) }
  }
}
