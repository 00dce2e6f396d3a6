import ArgumentParser
import Furc
import Quantization
import Support

/// What decides how a float model is quantized.
struct QuantizeArguments: ParsableArguments {
  @Option(help: "An npz file of inputs to quantize by, or random:N synthetic ones.")
  var calibration = "random:8"

  @Option(
    help:
      "How scales are found: min-max, percentile[:99.9], mse, entropy, sqnr, or auto, which tries them, equalized channels and corrected biases by the error they leave."
  )
  var method = CalibrationMethod.automatic.description

  @Option(help: "A scheme file to use instead of calibrating.")
  var scheme: String?

  @Option(help: "Write the scheme that was found, to see, edit and give back.")
  var schemeOut: String?

  @Option(
    parsing: .upToNextOption,
    help: "Nodes that stay in f32, on the host of an integer target, as NAME or f32:NAME.")
  var keep: [String] = []

  @Option(
    name: .customLong("min-sqnr"),
    help: "In dB: the layers that cost most stay in f32 until every output has it.")
  var minimumSQNR: Double?

  @Flag(inversion: .prefixedNo, help: "Scale channels between layers to alike intervals.")
  var equalize: Bool?

  @Flag(inversion: .prefixedNo, help: "Correct in biases what quantization shifts.")
  var correctBias: Bool?

  func validate() throws { _ = try options(seed: 0) }

  /// Without the scheme, which is read when it is needed.
  func options(seed: UInt64) throws -> QuantizationOptions {
    var options = QuantizationOptions()
    options.calibration = try CalibrationData(argument: calibration)
    guard let found = CalibrationMethod(method) else {
      let known = (CalibrationMethod.candidates + [.automatic]).map(\.description).joined(separator: ", ")
      throw ValidationError(
        "--method is '\(method)', allowed are \(known) and percentile:50 … percentile:100")
    }
    options.method = found
    options.kept = try keep.map(Self.node)
    if let minimumSQNR, !(minimumSQNR > 0 && minimumSQNR <= 200) {
      throw ValidationError("--min-sqnr is \(minimumSQNR) dB, allowed is more than 0 to 200")
    }
    options.minimumSQNR = minimumSQNR
    options.equalizes = equalize
    options.correctsBiases = correctBias
    options.seed = seed
    return options
  }

  /// The name of a node behind an optional precision.
  private static func node(_ argument: String) throws -> String {
    let parts = argument.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false).map(
      String.init)
    guard parts.count == 2, ["f32", "bf16", "fp16", "fp8", "int8"].contains(parts[0]) else { return argument }
    guard parts[0] == "f32", !parts[1].isEmpty else {
      throw ValidationError("--keep is '\(argument)', but beside int8 there is f32 on the host alone")
    }
    return parts[1]
  }

  /// - Throws: `Diagnostic` where the file is missing or no scheme.
  func readScheme() throws -> Scheme? {
    guard let scheme else { return nil }
    let file = try MappedFile(scheme)
    let text = file.withBytes { String(decoding: $0, as: UTF8.self) }
    do { return try Scheme(json: text) } catch {
      throw Diagnostic(.malformedFile, "'\(scheme)': \(error.message)", help: error.help)
    }
  }

  func writeScheme(_ scheme: Scheme) throws {
    guard let schemeOut else { return }
    Interrupt.willWrite(schemeOut)
    try FileIO.writeAtomically(schemeOut, scheme.json)
  }
}

extension CalibrationData {
  /// - Throws: a usage error unless it is a path or `random:N`.
  init(argument: String) throws {
    guard argument.hasPrefix("random:") else {
      self = .file(argument)
      return
    }
    guard let count = Int(argument.dropFirst(7)), (1...10_000).contains(count) else {
      throw ValidationError("--calibration is '\(argument)', allowed is a path or random:1 … random:10000")
    }
    self = .random(count)
  }
}

extension Console {
  /// Shows the steps of quantization as a bar.
  var quantizing: @Sendable (Quantizer.Step) -> Void {
    { step in
      switch step {
      case .observing(let done, let all): self.progress("calibrating", done, of: all)
      case .choosing(let done, let all): self.progress("choosing scales", done, of: all)
      case .correcting(let done, let all): self.progress("correcting biases", done, of: all)
      case .ranking(let done, let all): self.progress("ranking layers", done, of: all)
      }
    }
  }
}
