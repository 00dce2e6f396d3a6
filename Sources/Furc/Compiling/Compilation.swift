import GraphIR
import KernelIR
import Machine
import NPUCompiler
import Quantization
import Support

/// All that a compilation made: the compiled model, and the graphs on the way that verification holds it to.
public struct Compilation: Sendable {
  /// What a device step was compiled from.
  public struct Device: Sendable {
    /// As lowered.
    public let kernels: KernelGraph
    /// As compiled.
    public let fused: KernelGraph
    /// How each kernel was placed; views and copies the compiler added included.
    public let decisions: [NPUCompiler.Decision]
  }

  /// How a float model was quantized.
  public struct Quantization: Sendable {
    /// What was quantized: after passes, everything in f32.
    public let float: Graph
    /// The QDQ form, the scheme, and what it costs.
    public let result: Quantizer.Result
  }

  /// How long the stages took. Never part of a compiled model.
  public struct Seconds: Sendable {
    /// Reading the model. Compiling leaves it 0; who reads may set it.
    public var load = 0.0
    /// Passes over the model as it came.
    public var passes = 0.0
    /// Calibration, quantization and the passes behind it.
    public var quantize = 0.0
    /// Partition, mapping and scheduling.
    public var map = 0.0
    /// Encoding the file.
    public var emit = 0.0
    /// Verification. Compiling leaves it 0; who verifies may set it.
    public var verify = 0.0

    /// Of all stages.
    public var total: Double { load + passes + quantize + map + emit + verify }
  }

  /// What was compiled.
  public let model: Model
  /// After passes, before quantization; the canonical graph where the model came quantized.
  public let optimized: Graph
  /// In the canonical quantized form, names unique: what the binary computes.
  public let canonical: Graph
  /// Where the model was float and the target takes integers only.
  public let quantization: Quantization?
  /// What the device steps were compiled from, in their order.
  public let devices: [Device]
  /// Where each node of the canonical graph runs, and why.
  let partition: Partition
  /// What the file holds.
  public let compiled: CompiledModel
  /// The file.
  public let bytes: [UInt8]
  /// Of import and quantization.
  public var warnings: [Diagnostic]
  /// How long it took.
  public var seconds: Seconds

  /// The SHA-256 of the file.
  public var digest: Digest { Digest.sha256(bytes) }
}

/// Measures stages.
struct Stopwatch {
  private var last = ContinuousClock.now

  /// Seconds since the last lap.
  mutating func lap() -> Double {
    let now = ContinuousClock.now
    defer { last = now }
    return (now - last).inSeconds
  }
}
