import Support

/// What verification looks at.
public struct VerifyOptions: Sendable {
  /// Labelled rows: an npz with an array per input and one of labels.
  public struct Labelled: Sendable {
    public var path: String
    public var labels: String

    public init(path: String, labels: String) {
      self.path = path
      self.labels = labels
    }
  }

  /// Inputs that the binary runs on, taken from the labelled data, the calibration data or a seed.
  public var samples = 2
  /// Whether the nested loops run as defined, with a shadow of every byte.
  public var isStrict = true
  /// Runs under random timing.
  public var jitterSeeds: [UInt64] = [1, 2]
  /// Whether the evaluators of all operators run beside the kernels.
  public var comparesReference = true
  public var labelled: Labelled?
  /// Whether layers are compared one by one; only of models that were quantized here.
  public var comparesLayers = false
  /// Of labelled rows.
  public var rows = Int.max
  public var seed: UInt64 = 0

  public init() {}

  /// What every compile does: one input, the fast interpreter, the checker.
  public static var quick: VerifyOptions {
    var options = VerifyOptions()
    options.samples = 1
    options.isStrict = false
    options.jitterSeeds = []
    options.comparesReference = false
    return options
  }
}

/// What verification found.
public struct Verification: Sendable {
  /// How the binary ran, and how many bytes of device steps and outputs differed from the executor's.
  public struct Mode: Sendable {
    public let name: String
    public let samples: Int
    public var differingBytes = 0
  }

  public struct Accuracy: Sendable {
    public let rows: Int
    /// Shares of right answers: of the float model, and of the quantized one.
    public let float: Double
    public let quantized: Double
  }

  public internal(set) var modes: [Mode] = []
  public internal(set) var predictedCycles: Int64 = 0
  public internal(set) var executedCycles: Int64 = 0
  public internal(set) var predictedLoadCycles: Int64 = 0
  public internal(set) var executedLoadCycles: Int64 = 0
  public internal(set) var checkerFindings: [Diagnostic] = []
  /// Float against quantized, by output; infinite where nothing differs.
  public internal(set) var sqnr: [(output: String, decibels: Double)] = []
  /// Where they were asked for, the costliest first.
  public internal(set) var layers: [LayerReport] = []
  /// Over labelled rows if there are any, else over the samples.
  public internal(set) var topOneAgreement: Double?
  public internal(set) var accuracy: Accuracy?
  /// What the first run of the binary did, of all device steps.
  public internal(set) var counters = RunTotals()
  /// What is wrong, one sentence each, in the order of finding.
  public internal(set) var failures: [Diagnostic] = []

  public var differingBytes: Int { modes.reduce(0) { $0 + $1.differingBytes } }
  public var isBitExact: Bool { differingBytes == 0 }
  public var isClean: Bool { checkerFindings.isEmpty }
  public var passed: Bool { failures.isEmpty }

  mutating func fail(_ message: String) { failures.append(Diagnostic(.verificationFailed, message)) }
}

/// Counters of all device steps of one run.
public struct RunTotals: Hashable, Sendable {
  public var macs = 0
  public var sramBytes = 0
  public var dramReadBytes = 0
  public var dramWriteBytes = 0
  public var vectorSteps = 0
}
