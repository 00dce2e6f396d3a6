import ArgumentParser
import Furc
import GraphIR
import ONNX
import Passes
import Quantization
import Support

struct QuantizeVerb: Verb {
  static let configuration = CommandConfiguration(
    commandName: "quantize",
    abstract: "Quantizes a float model, says what that costs, and writes an ONNX model in QDQ form.")

  @Argument(help: "An ONNX model.")
  var model: String

  @OptionGroup var reading: ModelArguments
  @OptionGroup var quantizing: QuantizeArguments

  @Option(help: "The seed of synthetic inputs.")
  var seed: UInt64 = 0

  @Flag(help: "Rank the layers by what quantizing each alone costs at the outputs.")
  var layers = false

  @Option(name: .shortAndLong, help: "The model to write.")
  var output: String

  @Flag(help: "Print one JSON object.")
  var json = false

  var subject: String? { model }

  func run(_ console: Console) throws {
    var session = reading.session
    session.passes = session.passes.selecting(
      session.passes.passes.map(\.name).filter { !OptVerb.inner.contains($0) })
    let loaded = try reading.load(model, batch: reading.batch)
    var warnings = loaded.imported.warnings
    var options = try quantizing.options(seed: seed)
    options.scheme = try quantizing.readScheme()
    options.ranksLayers = layers
    options.progress = console.quantizing
    let float = try session.prepared(loaded.graph)
    let result = try session.quantized(float, options, &warnings)
    for warning in warnings { console.report(warning, file: model) }
    try quantizing.writeScheme(result.scheme)
    Interrupt.willWrite(output)
    try ONNXExporter.export(result.graph, to: output, operators: session.operators)
    let report = QuantizationReport(result)
    if json {
      console.print(.object(report.members))
    } else {
      for line in report.lines { console.print(line) }
    }
  }
}
