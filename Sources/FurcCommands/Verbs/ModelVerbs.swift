import ArgumentParser
import Furc
import GraphIR
import ONNX
import Passes
import Quantization
import Support

struct OptVerb: Verb {
  static let configuration = CommandConfiguration(
    commandName: "opt", abstract: "Runs passes over an ONNX model and writes an ONNX model.")

  @Argument(help: "An ONNX model.")
  var model: String

  @OptionGroup var reading: ModelArguments

  @Option(
    name: .customLong("pass"), help: "A pass; may be repeated. Without one all that leave ONNX operators run."
  )
  var passes: [String] = []

  @Option(name: .shortAndLong, help: "The model to write.")
  var output: String

  @Flag(help: "Print the graph as text instead of writing a model.")
  var text = false

  var subject: String? { model }

  /// Passes whose graphs ONNX cannot express, or only by operators that few runtimes know yet.
  static let inner: Set<String> = [
    "fuse-activation", "fuse-qdq", "recognize-rms-norm", "recognize-silu",
  ]

  func validate() throws {
    let known = PassTable.standard.passes.map(\.name)
    if let unknown = passes.first(where: { !known.contains($0) }) {
      throw ValidationError("--pass is '\(unknown)', known are \(known.joined(separator: ", "))")
    }
  }

  func run(_ console: Console) throws {
    var session = reading.session
    let names =
      passes.isEmpty ? session.passes.passes.map(\.name).filter { !OptVerb.inner.contains($0) } : passes
    session.passes = session.passes.selecting(names)
    let loaded = try reading.load(model, batch: nil)
    for warning in loaded.imported.warnings { console.report(warning, file: model) }
    let graph = try session.optimized(loaded.graph)
    Interrupt.willWrite(output)
    if text { return try FileIO.writeAtomically(output, graph.text) }
    try ONNXExporter.export(graph, to: output, operators: session.operators)
  }
}

struct QuantizeVerb: Verb {
  static let configuration = CommandConfiguration(
    commandName: "quantize", abstract: "Quantizes a float model and writes an ONNX model in QDQ form.")

  @Argument(help: "An ONNX model.")
  var model: String

  @OptionGroup var reading: ModelArguments

  @Option(help: "An npz file of inputs to quantize by, or random:N synthetic ones.")
  var calibration = "random:8"

  @Option(help: "The seed of synthetic inputs.")
  var seed: UInt64 = 0

  @Option(name: .shortAndLong, help: "The model to write.")
  var output: String

  var subject: String? { model }

  func validate() throws { _ = try CalibrationData(argument: calibration) }

  func run(_ console: Console) throws {
    var session = reading.session
    session.passes = session.passes.selecting(
      session.passes.passes.map(\.name).filter { !OptVerb.inner.contains($0) })
    let loaded = try reading.load(model, batch: reading.batch)
    var warnings = loaded.imported.warnings
    var options = CompileOptions()
    options.calibration = try CalibrationData(argument: calibration)
    options.seed = seed
    let graph = try session.quantized(
      try session.optimized(loaded.graph).withUniqueNames(), options, &warnings)
    for warning in warnings { console.report(warning, file: model) }
    Interrupt.willWrite(output)
    try ONNXExporter.export(graph, to: output, operators: session.operators)
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
