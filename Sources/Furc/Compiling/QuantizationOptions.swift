import Quantization

/// Where the inputs for calibration come from.
public enum CalibrationData: Equatable, Sendable {
  /// An npz file with an array `[rows, …]` per input.
  case file(String)
  /// So many synthetic inputs. Ranges are plausible at best: accuracy needs real data.
  case random(Int)
}

/// What a user may choose about the quantization of a float model.
public struct QuantizationOptions: Sendable {
  /// What ranges are observed on.
  public var calibration = CalibrationData.random(8)
  /// How scales are found, and what else is tried.
  public var method = CalibrationMethod.automatic
  /// Used instead of calibrating.
  public var scheme: Scheme?
  /// Nodes that stay in f32, by name.
  public var kept: [String] = []
  /// In dB; what costs most stays in f32 until every output has it.
  public var minimumSQNR: Double?
  /// Whether layers are ranked by what quantizing each costs.
  public var ranksLayers = false
  /// Whether channels between contractions are scaled to alike intervals; nil lets `automatic` try.
  public var equalizes: Bool?
  /// Whether shifts of means are corrected in biases; nil lets `automatic` try.
  public var correctsBiases: Bool?
  /// Of synthetic inputs.
  public var seed: UInt64 = 0
  /// Called with what is being done.
  public var progress: @Sendable (Quantizer.Step) -> Void = { _ in }

  /// The defaults.
  public init() {}
}
