import CKernels
import Glibc
import Support
import Tensors

/// The ratio of the energy of reference values to that of what quantization adds to them, over any number
/// of tensors.
public struct SignalToNoise: Sendable {
  public private(set) var signal = 0.0
  public private(set) var noise = 0.0

  public init() {}

  /// - Precondition: both of one shape; any element types.
  public mutating func add(reference: Tensor, quantized: Tensor) {
    precondition(reference.count == quantized.count, "\(reference.type) and \(quantized.type)")
    guard reference.element == .f32, quantized.element == .f32 else {
      for (value, other) in zip(reference.doubleElements(), quantized.doubleElements()) {
        signal += value * value
        noise += (value - other) * (value - other)
      }
      return
    }
    var (added, error) = (0.0, 0.0)
    reference.withFloats { x in
      quantized.withFloats { y in
        guard let left = x.baseAddress, let right = y.baseAddress else { return }
        furc_energies(left, right, Int64(x.count), &added, &error, Kernels.level)
      }
    }
    signal += added
    noise += error
  }

  /// Adds energies.
  public mutating func add(signal: Double, noise: Double) {
    self.signal += signal
    self.noise += noise
  }

  /// In dB; ∞ where nothing differs, -∞ where there is noise without signal.
  public var decibels: Double { noise == 0 ? .infinity : 10 * log10(signal / noise) }

  /// The energy of the noise per energy of the signal; 0 where nothing differs, ∞ where there is noise without
  /// signal or either is no number.
  public var relativeNoise: Double {
    guard noise != 0 else { return 0 }
    let ratio = noise / signal
    return ratio.isNaN ? .infinity : ratio
  }
}
