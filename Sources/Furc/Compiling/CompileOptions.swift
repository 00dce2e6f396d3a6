import NPUCompiler

/// What a user may choose about a compilation.
public struct CompileOptions: Sendable {
  /// Of a float model for a target of integers; else without effect.
  public var quantization = QuantizationOptions()
  /// Whether constants are placed in SRAM before a run, or stream into it during one.
  public var weights = NPUCompiler.WeightMode.auto
  /// Mappings that are tried per kernel: a number of evaluations, never a time.
  public var effort = 16
  /// Of everything that draws random numbers.
  public var seed: UInt64 = 0
  /// Whether nodes that the target refuses may run on the host.
  public var allowsFallback = true

  /// The defaults.
  public init() {}
}
