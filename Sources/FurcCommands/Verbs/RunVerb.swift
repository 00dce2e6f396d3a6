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

  @Option(
    help: """
      Run that many steps. An array [steps, …] of the input file gives each step a row, one of the input's \
      rank is fed at every step; outputs are [steps, …], states those of the last step.
      """)
  var steps: Int?

  @Option(
    help: """
      Feed an output back to an input at the next step, as input=output. May be repeated. The state starts \
      with the input file's array, else with zeros, open extents being 0 where no other array fixes them.
      """)
  var state: [String] = []

  @Flag(help: "An ONNX model: run the graph as imported, without passes.")
  var noOptimize = false

  @Flag(help: "Print one JSON object.")
  var json = false

  var subject: String? { model }

  func validate() throws {
    guard repeats > 0 else { throw ValidationError("--repeat is \(repeats), allowed is 1 or more") }
    guard (steps ?? 1) > 0 else { throw ValidationError("--steps is \(steps ?? 0), allowed is 1 or more") }
    guard steps == nil || repeats == 1 else {
      throw ValidationError("--steps and --repeat exclude each other")
    }
    guard steps != nil || state.isEmpty else { throw ValidationError("--state needs --steps") }
    if let wrong = state.first(where: { StateLink(argument: $0) == nil }) {
      throw ValidationError("--state is '\(wrong)', allowed is input=output")
    }
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
    if let steps { return try runBinary(compiled, mode, session, steps, console) }
    let inputs =
      try input.map { try InputSets.read($0, for: compiled.inputPorts) } ?? compiled.randomInputs(seed)
    let run = try repeated(compiled, mode, session, inputs)
    try report(run, console)
    return (run.outputs, run.cycles, run.seconds)
  }

  private func report(_ run: ProgramRun, _ console: Console) throws {
    let findings = run.devices.flatMap(\.findings)
    for finding in findings { console.report(finding, file: model) }
    guard findings.isEmpty else { throw ExitStatus.failed }
  }

  /// Cycles of all steps, seconds of one.
  private func runBinary(
    _ compiled: CompiledModel, _ mode: NPUInterpreter.Mode, _ session: Session, _ steps: Int,
    _ console: Console
  ) throws -> Outcome {
    let ports = compiled.inputPorts
    let data = try input.map { try InputSets.arrays($0, for: ports) } ?? compiled.randomInputs(seed)
    let stepping = try Stepping(
      data, for: ports, outputs: compiled.outline.outputs.map(\.name), states: links, steps: steps)
    var runs: [ProgramRun] = []
    let outputs = try blamingFile { () throws(Diagnostic) in
      var runner = try ProgramRunner(compiled, mode: mode, session)
      return try stepping.run { (inputs) throws(Diagnostic) in
        let run = try runner.run(inputs)
        runs.append(run)
        return run.outputs
      }
    }
    for run in runs { try report(run, console) }
    return (outputs, runs.reduce(0) { $0 + $1.cycles }, runs.reduce(0) { $0 + $1.seconds } / Double(steps))
  }

  private var links: [StateLink] { state.compactMap(StateLink.init(argument:)) }

  private func repeated(
    _ compiled: CompiledModel, _ mode: NPUInterpreter.Mode, _ session: Session, _ inputs: InputSet
  ) throws(Diagnostic) -> ProgramRun {
    try blamingFile { () throws(Diagnostic) in
      var runner = try ProgramRunner(compiled, mode: mode, session)
      for _ in 1..<repeats { _ = try runner.run(inputs) }
      return try runner.run(inputs)
    }
  }

  /// What a program from a file does wrong is the file's fault, never a bug of the tool.
  private func blamingFile<Result>(
    _ body: () throws(Diagnostic) -> Result
  ) throws(Diagnostic) -> Result {
    do { return try body() } catch {
      guard error.kind.exitStatus == 70 else { throw error }
      throw Diagnostic(
        .invalidProgram, at: error.location, error.message,
        help: "`furc check` says more; compile the model again")
    }
  }

  private func runModel() throws -> Outcome {
    let session = reading.session
    let shapes = try input.map { try InputSets.shapes($0) } ?? [:]
    let loaded = try reading.load(
      model, batch: reading.batch ?? (input == nil ? 1 : nil), inputShapes: shapes)
    let graph = noOptimize ? loaded.graph : try session.optimized(loaded.graph)
    let executor = session.executor(graph, strict ? .reference : .fast)
    if let steps { return try runModel(graph, executor, steps) }
    let inputs =
      try input.map { try InputSets.read($0, for: graph.inputPorts) }
      ?? SyntheticSamples(graph, count: 1, seed: seed).sample(0)
    let start = ContinuousClock.now
    var outputs = try executor.run(inputs).outputs
    for _ in 1..<repeats { outputs = try executor.run(inputs).outputs }
    let seconds = (ContinuousClock.now - start).inSeconds / Double(repeats)
    return (outputs, nil, seconds)
  }

  /// Without data, the same random inputs at every step and states of zeros.
  private func runModel(_ graph: Graph, _ executor: GraphExecutor, _ steps: Int) throws -> Outcome {
    let ports = graph.inputPorts
    var data: InputSet = [:]
    if let input {
      data = try InputSets.arrays(input, for: ports)
    } else {
      data = try SyntheticSamples(graph, count: 1, seed: seed).sample(0)
      for link in links {
        data[link.input] = try data[link.input].map { (tensor) throws(Diagnostic) in try Tensor(tensor.type) }
      }
    }
    let stepping = try Stepping(
      data, for: ports, outputs: graph.outputs.map { graph.values[$0].name }, states: links, steps: steps)
    let start = ContinuousClock.now
    let outputs = try stepping.run { (inputs) throws(Diagnostic) in try executor.run(inputs).outputs }
    return (outputs, nil, (ContinuousClock.now - start) / Double(steps) / .seconds(1))
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
