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

  /// Those that run only where they are named.
  private static let optional = PassTable.optional + [.equalizeChannels]

  func validate() throws {
    let known = (PassTable.standard.passes + Self.optional).map(\.name)
    if let unknown = passes.first(where: { !known.contains($0) }) {
      throw ValidationError("--pass is '\(unknown)', known are \(known.joined(separator: ", "))")
    }
  }

  func run(_ console: Console) throws {
    var session = reading.session
    let names =
      passes.isEmpty ? session.passes.passes.map(\.name).filter { !OptVerb.inner.contains($0) } : passes
    let table = PassTable(session.passes.passes + Self.optional, constraints: session.passes.constraints)
    session.passes = table.selecting(names)
    let loaded = try reading.load(model, batch: reading.batch)
    for warning in loaded.imported.warnings { console.report(warning, file: model) }
    let graph = try session.optimized(loaded.graph)
    Interrupt.willWrite(output)
    if text { return try FileIO.writeAtomically(output, graph.text) }
    try ONNXExporter.export(graph, to: output, operators: session.operators)
  }
}
