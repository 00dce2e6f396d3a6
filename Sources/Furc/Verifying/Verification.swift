import Support

/// What verification looks at.
public struct VerifyOptions: Sendable {
  /// Labelled rows: an npz with an array per input and one of labels.
  public struct Labelled: Sendable {
    /// Of the npz file.
    public var path: String
    /// The name of the array of labels: one integer per row.
    public var labels: String

    /// Rows of an npz file.
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
  /// Rows to measure accuracy on; nil measures none.
  public var labelled: Labelled?
  /// Whether layers are compared one by one; only of models that were quantized here.
  public var comparesLayers = false
  /// Of labelled rows.
  public var rows = Int.max
  /// Of synthetic inputs.
  public var seed: UInt64 = 0

  /// The defaults.
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
    /// `fast`, `strict` or `jitter` with its seed.
    public let name: String
    /// How many inputs it ran on.
    public let samples: Int
    /// Over all samples.
    public var differingBytes = 0
  }

  /// How often the class with the largest score is the label.
  public struct Accuracy: Sendable {
    /// How many were counted.
    public let rows: Int
    /// The share of right answers of the float model.
    public let float: Double
    /// The share of right answers of the quantized one.
    public let quantized: Double
  }

  /// How the binary ran, in that order.
  public internal(set) var modes: [Mode] = []
  /// Of one run, as the schedules say.
  public internal(set) var predictedCycles: Int64 = 0
  /// Of one run, as the interpreter counts.
  public internal(set) var executedCycles: Int64 = 0
  /// Of the load programs, as the schedules say.
  public internal(set) var predictedLoadCycles: Int64 = 0
  /// Of the load programs, as the interpreter counts.
  public internal(set) var executedLoadCycles: Int64 = 0
  /// What the independent checker objects to; empty is a proof.
  public internal(set) var checkerFindings: [Diagnostic] = []
  /// Float against quantized, by output; infinite where nothing differs.
  public internal(set) var sqnr: [(output: String, decibels: Double)] = []
  /// Where they were asked for, the costliest first.
  public internal(set) var layers: [LayerReport] = []
  /// Over labelled rows if there are any, else over the samples.
  public internal(set) var topOneAgreement: Double?
  /// Where there are labelled rows.
  public internal(set) var accuracy: Accuracy?
  /// What the first run of the binary did, of all device steps.
  public internal(set) var counters = RunTotals()
  /// What is wrong, one sentence each, in the order of finding.
  public internal(set) var failures: [Diagnostic] = []

  /// Between executor and interpreter, over all modes.
  public var differingBytes: Int { modes.reduce(0) { $0 + $1.differingBytes } }
  /// Whether no byte differs between executor and interpreter.
  public var isBitExact: Bool { differingBytes == 0 }
  /// Whether the checker has no findings.
  public var isClean: Bool { checkerFindings.isEmpty }
  /// Whether nothing is wrong.
  public var passed: Bool { failures.isEmpty }

  mutating func fail(_ message: String) { failures.append(Diagnostic(.verificationFailed, message)) }
}

/// Counters of all device steps of one run.
public struct RunTotals: Hashable, Sendable {
  /// Multiply-adds that the tensor unit did, those of padding included.
  public var macs = 0
  /// Read and written.
  public var sramBytes = 0
  /// Read from DRAM.
  public var dramReadBytes = 0
  /// Written to DRAM.
  public var dramWriteBytes = 0
  /// Steps of the vector engine's programs, one per element.
  public var vectorSteps = 0
}
