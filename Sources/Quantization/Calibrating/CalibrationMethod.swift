import Support

/// How a scale is found from what was observed.
public enum CalibrationMethod: Hashable, Sendable, CustomStringConvertible {
  /// The whole range.
  case minMax
  /// The range without the outermost values; the parameter is the share that stays, in percent.
  case percentile(Double)
  /// The range with the least mean squared error of the values.
  case meanSquaredError
  /// The range that loses the least information: the smallest divergence of the quantized distribution.
  case entropy
  /// The range with the highest sum of signal-to-noise ratios over the tensors that share the scale; for a tensor
  /// with a scale of its own as `meanSquaredError`.
  case signalToNoise
  /// The step of an input whose values are multiples of one, as those are that were made from bytes: nothing is
  /// lost. `automatic` takes it where there is one.
  case grid
  /// For each scale the method whose error is the least in the results of the nodes that read the values.
  case automatic

  /// What `automatic` chooses from.
  public static let candidates: [CalibrationMethod] = [
    .minMax, .percentile(99.99), .meanSquaredError, .entropy, .signalToNoise,
  ]

  /// The words of the command line and of scheme files.
  public var description: String {
    switch self {
    case .minMax: "min-max"
    case .percentile(let share): share == 99.99 ? "percentile" : "percentile:\(share)"
    case .meanSquaredError: "mse"
    case .entropy: "entropy"
    case .signalToNoise: "sqnr"
    case .grid: "grid"
    case .automatic: "auto"
    }
  }

  /// - Returns: nil for another word, or a share that is not above 50 and at most 100.
  public init?(_ text: String) {
    if let known = (Self.candidates + [.automatic]).first(where: { $0.description == text }) {
      self = known
      return
    }
    guard text.hasPrefix("percentile:"), let share = Double(text.dropFirst(11)), share > 50, share <= 100
    else {
      return nil
    }
    self = .percentile(share)
  }
}
