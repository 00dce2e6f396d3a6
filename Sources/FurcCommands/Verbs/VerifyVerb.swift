import ArgumentParser
import Furc
import Machine
import NPUISA
import Quantization
import Support

struct VerifyVerb: Verb {
  static let configuration = CommandConfiguration(
    commandName: "verify",
    abstract: "Compiles a model and proves the binary: bits, cycles, safety, and what quantization costs.")

  @Argument(help: "An ONNX model.")
  var model: String

  @OptionGroup var arguments: CompileArguments
  @OptionGroup var reading: ModelArguments

  @Option(help: "Labelled rows: an npz file with an array per input and one of labels.")
  var data: String?

  @Option(help: "The name of the array of labels.")
  var labels = "label"

  @Option(help: "What accuracy is: top1.")
  var metric = "top1"

  @Option(help: "Labelled rows that count, from the first on.")
  var rows: Int?

  @Flag(help: "Compare layer by layer, and rank layers by what quantizing each costs.")
  var layers = false

  @Option(help: "Inputs that the binary runs on.")
  var samples = 2

  @Option(help: "Runs under random timing.")
  var jitter = 2

  @Flag(help: "Leave out the strict interpreter, which walks every element: minutes for models of many GMAC.")
  var noStrict = false

  @Option(help: "Change a device program at random so many times, and see who notices.")
  var mutants: Int?

  @Flag(help: "Print one JSON object.")
  var json = false

  var subject: String? { model }

  func validate() throws {
    guard metric == "top1" else { throw ValidationError("--metric is '\(metric)', allowed is top1") }
    for (name, value) in [("rows", rows ?? 1), ("samples", samples), ("mutants", mutants ?? 1)]
    where value < 1 {
      throw ValidationError("--\(name) is \(value), allowed is 1 or more")
    }
    guard (0...1000).contains(jitter) else {
      throw ValidationError("--jitter is \(jitter), allowed is 0 … 1000")
    }
  }

  func run(_ console: Console) throws {
    let (compilation, session) = try arguments.compile(
      model, reading, console, ranksLayers: layers)
    var options = VerifyOptions()
    options.samples = samples
    options.seed = arguments.seed
    options.isStrict = !noStrict
    options.jitterSeeds = (0..<UInt64(jitter)).map { $0 + 1 }
    options.comparesLayers = layers
    options.labelled = data.map { VerifyOptions.Labelled(path: $0, labels: labels) }
    if let rows { options.rows = rows }
    if layers, compilation.quantization == nil {
      throw ValidationError("--layers compares with the float model, and '\(model)' came quantized")
    }
    let result = try session.verify(
      compilation, calibration: try arguments.options().quantization.calibration, options)
    for failure in result.failures { console.report(failure, file: model) }
    let table = try mutantTable(compilation, session)
    let quantization = compilation.quantization?.result
    if json {
      guard case .object(var members) = result.json else { return }
      if let quantization {
        members.append(.init("kept", .array(quantization.scheme.kept.map { .string($0) })))
      }
      if let table { members.append(.init("mutants", table.json)) }
      console.print(.object(members))
    } else {
      let kept = quantization.map { QuantizationReport($0).kept } ?? []
      for line in kept + result.lines + (table?.lines ?? []) { console.print(line) }
    }
    for path in table?.missed ?? [] {
      console.report(
        Diagnostic(.verificationFailed, "the checker passes a missing order that changes an output: \(path)"))
    }
    guard result.passed, table?.missed.isEmpty ?? true else { throw ExitStatus.failed }
  }

  /// Over the first device program, on seeded inputs.
  private func mutantTable(_ compilation: Compilation, _ session: Session) throws -> MutantTable? {
    guard let mutants, let step = compilation.compiled.outline.steps.first(where: { $0.kind == .device })
    else { return nil }
    let compiled = compilation.compiled
    var runner = try ProgramRunner(compiled, session)
    let buffers = try runner.run(try compiled.randomInputs(arguments.seed)).buffers
    let program = compiled.devices[step.payload]
    let names = Set(program.inputs.map(\.name))
    return try session.mutants(
      of: program, on: compiled.target.machine, inputs: buffers.filter { names.contains($0.key) },
      count: mutants, seed: arguments.seed)
  }
}
