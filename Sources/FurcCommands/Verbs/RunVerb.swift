import ArgumentParser
import Executor
import Furc
import GraphIR
import Machine
import NPUInterpreter
import Quantization
import Support
import Tensors

struct RunVerb: Verb {
  static let configuration = CommandConfiguration(
    commandName: "run",
    abstract: "Runs a compiled model on the interpreter, or an ONNX model on the executor.")

  @Argument(help: "A .fur file or an ONNX model.")
  var model: String

  @OptionGroup var reading: ModelArguments

  @Option(name: .shortAndLong, help: "An npz file with an array per input; without it seeded random inputs.")
  var input: String?

  @Option(name: .shortAndLong, help: "An npz file for the outputs.")
  var output: String?

  @Option(help: "The seed of random inputs.")
  var seed: UInt64 = 0

  @Flag(
    help: "Run instructions as nested loops, with a shadow of every byte (.fur), or the evaluators (ONNX).")
  var strict = false

  @Option(help: "Run under random timing of this seed (.fur).")
  var jitter: UInt64?

  @Option(name: .customLong("repeat"), help: "Runs, one after the other.")
  var repeats = 1

  @Flag(help: "An ONNX model: run the graph as imported, without passes.")
  var noOptimize = false

  @Flag(help: "Print one JSON object.")
  var json = false

  var subject: String? { model }

  func validate() throws {
    guard repeats > 0 else { throw ValidationError("--repeat is \(repeats), allowed is 1 or more") }
    guard !strict || jitter == nil else { throw ValidationError("--strict and --jitter exclude each other") }
  }

  func run(_ console: Console) throws {
    let isModel = !model.hasSuffix(".fur")
    let (outputs, cycles, seconds) = try isModel ? runModel() : runBinary(console)
    if let output {
      var writer = NPZWriter()
      var names: Set<String> = []
      for (name, tensor) in outputs where names.insert(name).inserted { try writer.add(name, tensor) }
      Interrupt.willWrite(output)
      try writer.write(output)
    }
    if json {
      console.print(object(outputs, cycles, seconds))
    } else {
      for (name, tensor) in outputs { console.print("\(name): \(tensor.type) \(preview(tensor))") }
      if let cycles { console.print("cycles: \(cycles)") }
    }
  }

  private typealias Outcome = (outputs: [(name: String, tensor: Tensor)], cycles: Int64?, seconds: Double)

  private func runBinary(_ console: Console) throws -> Outcome {
    let compiled = try CompiledModel.load(model)
    let mode: NPUInterpreter.Mode = strict ? .strict : jitter.map { .jitter(seed: $0) } ?? .fast
    let session = reading.session
    let inputs =
      try input.map { try InputSets.read($0, for: compiled.inputPorts) } ?? compiled.randomInputs(seed)
    let run = try repeated(compiled, mode, session, inputs)
    let findings = run.devices.flatMap(\.findings)
    for finding in findings { console.report(finding, file: model) }
    guard findings.isEmpty else { throw ExitStatus.failed }
    return (run.outputs, run.cycles, run.seconds)
  }

  /// What a program from a file does wrong is the file's fault, never a bug of the tool.
  private func repeated(
    _ compiled: CompiledModel, _ mode: NPUInterpreter.Mode, _ session: Session, _ inputs: InputSet
  ) throws(Diagnostic) -> ProgramRun {
    do {
      var runner = try ProgramRunner(compiled, mode: mode, session)
      for _ in 1..<repeats { _ = try runner.run(inputs) }
      return try runner.run(inputs)
    } catch {
      guard error.kind.exitStatus == 70 else { throw error }
      throw Diagnostic(
        .invalidProgram, at: error.location, error.message,
        help: "`furc check` says more; compile the model again")
    }
  }

  private func runModel() throws -> Outcome {
    let session = reading.session
    let loaded = try reading.load(model, batch: input == nil ? reading.batch : nil)
    let graph = noOptimize ? loaded.graph : try session.optimized(loaded.graph)
    let inputs =
      try input.map { try InputSets.read($0, for: graph.inputPorts) }
      ?? SyntheticSamples(graph, count: 1, seed: seed).sample(0)
    let executor = session.executor(graph, strict ? .reference : .fast)
    let start = ContinuousClock.now
    var outputs = try executor.run(inputs).outputs
    for _ in 1..<repeats { outputs = try executor.run(inputs).outputs }
    let seconds = (ContinuousClock.now - start).inSeconds / Double(repeats)
    return (outputs, nil, seconds)
  }

  private func object(
    _ outputs: [(name: String, tensor: Tensor)], _ cycles: Int64?, _ seconds: Double
  ) -> JSON {
    let members = outputs.map { name, tensor in
      JSON.Member(
        name,
        .object([
          .init("type", .string("\(tensor.type)")), .init("sha256", .string(tensor.digest)),
          .init("first", .array(tensor.doubleElements().prefix(16).map { .number($0, decimals: 6) })),
        ]))
    }
    return .object([
      .init("outputs", .object(members)), .init("cycles", cycles.map { .integer(Int($0)) } ?? .null),
      .init("seconds", .number(seconds, decimals: 6)),
    ])
  }

  private func preview(_ tensor: Tensor) -> String {
    let values = tensor.doubleElements().prefix(10).map { value in
      tensor.element.isFloat && value.isFinite
        ? fixed(value, 6) : tensor.element.isFloat ? "\(value)" : fixed(value, 0)
    }
    return "[\(values.joined(separator: ", "))\(tensor.count > 10 ? ", …" : "")]"
  }
}
