import ArgumentParser
import Executor
import Furc
import GraphIR
import Quantization
import Support
import Tensors

struct BenchVerb: Verb {
  static let configuration = CommandConfiguration(
    commandName: "bench",
    abstract: """
      Times an ONNX model on the executor, kernel by kernel, beside the machine's measured peaks; or a .fur on the \
      interpreter, beside its device.
      """)

  @Argument(help: "An ONNX model or a .fur file.")
  var model: String

  @OptionGroup var reading: ModelArguments

  @Option(name: .shortAndLong, help: "An npz file with an array per input; without it seeded random inputs.")
  var input: String?

  @Option(help: "The seed of random inputs.")
  var seed: UInt64 = 0

  @Option(name: .customLong("repeat"), help: "Runs; the shortest counts.")
  var repeats = 10

  @Option(help: "How many nodes to list, the longest first.")
  var top = 20

  @Flag(help: "Run the graph as imported, without passes.")
  var noOptimize = false

  @Flag(help: "Print one JSON object.")
  var json = false

  var subject: String? { model }

  func validate() throws {
    guard repeats > 0 else { throw ValidationError("--repeat is \(repeats), allowed is 1 or more") }
    guard top >= 0 else { throw ValidationError("--top is \(top), allowed is 0 or more") }
  }

  func run(_ console: Console) throws {
    let session = reading.session
    if model.hasSuffix(".fur") { return try runBinary(session, console) }
    let start = ContinuousClock.now
    let resident = ProcessMemory.resident
    let loaded = try reading.load(model, batch: reading.batch ?? (input == nil ? 1 : nil))
    let importing = ExecutorBench.Import(
      seconds: (ContinuousClock.now - start).inSeconds, residentBytes: ProcessMemory.resident - resident)
    let graph = noOptimize ? loaded.graph : try session.optimized(loaded.graph)
    let inputs =
      try input.map { try InputSets.read($0, for: graph.inputPorts) }
      ?? SyntheticSamples(graph, count: 1, seed: seed).sample(0)
    let report = try ExecutorBench.measure(
      session.executor(graph, .fast), inputs, runs: repeats, importing: importing)
    if json {
      console.print(report.json)
    } else {
      for line in report.lines(top: top) { console.print(line) }
    }
  }

  private func runBinary(_ session: Session, _ console: Console) throws {
    let start = ContinuousClock.now
    let compiled = try CompiledModel.load(model)
    let loading = (ContinuousClock.now - start).inSeconds
    let inputs =
      try input.map { try InputSets.read($0, for: compiled.inputPorts) } ?? compiled.randomInputs(seed)
    let report = try InterpreterBench.measure(compiled, inputs, runs: repeats, loading: loading, session)
    if json {
      console.print(report.json)
    } else {
      for line in report.lines { console.print(line) }
    }
  }
}
