import ArgumentParser
import Furc
import GraphIR
import Machine
import NPUCompiler
import Quantization
import Support
import TargetFiles

/// What decides how a model is read.
struct ModelArguments: ParsableArguments {
  @Option(name: .customLong("dim"), help: "The extent of a named dimension, as name=128. May be repeated.")
  var dimensions: [String] = []

  @Option(help: "The first extent of inputs that leave it open; 1 where it must be known.")
  var batch: Int?

  @Option(help: "Threads; no result depends on it.")
  var threads: Int?

  @Option(help: "The memory that the import may take beside the file, in MiB.")
  var memoryLimit: Int?

  func validate() throws {
    _ = try extents()
    guard (batch ?? 1) > 0 else { throw ValidationError("--batch is \(batch ?? 0), allowed is 1 or more") }
    guard (threads ?? 1) > 0 else {
      throw ValidationError("--threads is \(threads ?? 0), allowed is 1 or more")
    }
    guard (1...1 << 20).contains(memoryLimit ?? 1) else {
      throw ValidationError("--memory-limit is \(memoryLimit ?? 0) MiB, allowed is 1 … \(1 << 20)")
    }
  }

  func extents() throws -> [String: Int] {
    var extents: [String: Int] = [:]
    for dimension in dimensions {
      let parts = dimension.split(separator: "=", maxSplits: 1).map(String.init)
      guard parts.count == 2, let extent = Int(parts[1]), extent > 0, extents[parts[0]] == nil else {
        throw ValidationError("--dim is '\(dimension)', allowed is name=extent, each name once")
      }
      extents[parts[0]] = extent
    }
    return extents
  }

  var session: Session { threads.map { Session(threads: $0) } ?? Session() }

  /// - Parameter inputShapes: of data, see `Model.load`.
  func load(_ path: String, batch: Int?, inputShapes: [String: [Int]] = [:]) throws -> Model {
    try Model.load(
      path, dimensions: try extents(), batch: batch, inputShapes: inputShapes,
      memoryLimit: memoryLimit.map { $0 << 20 }, session)
  }
}

/// What decides how a model is compiled.
struct CompileArguments: ParsableArguments {
  @Option(name: .shortAndLong, help: "A target's name, or the path of a YAML file.")
  var target: String

  @Option(help: "auto or int8: the precision of a float model on an integer target.")
  var precision = "auto"

  @OptionGroup var quantizing: QuantizeArguments

  @Option(help: "Where weights are between runs: auto, resident or streamed.")
  var weights = "auto"

  @Option(help: "How many mappings are tried: fast, standard or max.")
  var effort = "standard"

  @Option(help: "The seed of whatever is random.")
  var seed: UInt64 = 0

  @Flag(help: "Refuse models of which the target does not run every node.")
  var noFallback = false

  func validate() throws {
    _ = try options()
    guard ["auto", "int8"].contains(precision) else {
      throw ValidationError("--precision is '\(precision)', allowed are auto and int8")
    }
    guard precision == "auto" || quantizing.minimumSQNR == nil else {
      throw ValidationError("--min-sqnr needs --precision auto, which may raise layers to more than int8")
    }
  }

  func options() throws -> CompileOptions {
    var options = CompileOptions()
    options.quantization = try quantizing.options(seed: seed)
    guard let mode = NPUCompiler.WeightMode(rawValue: weights) else {
      throw ValidationError("--weights is '\(weights)', allowed are auto, resident and streamed")
    }
    options.weights = mode
    guard let effort = ["fast": 4, "standard": 16, "max": 64][effort] else {
      throw ValidationError("--effort is '\(effort)', allowed are fast, standard and max")
    }
    options.effort = effort
    options.seed = seed
    options.allowsFallback = !noFallback
    return options
  }

  /// Reads and compiles, and says what there is to warn of.
  /// - Parameter look: sees the model before the work begins.
  func compile(
    _ path: String, _ arguments: ModelArguments, _ console: Console, ranksLayers: Bool = false,
    look: (Model) throws -> Void = { _ in }
  ) throws -> (Compilation, Session) {
    let description = try Targets.find(target)
    var watch = ContinuousClock.now
    let model = try arguments.load(path, batch: arguments.batch ?? 1)
    let loaded = (ContinuousClock.now - watch).inSeconds
    try look(model)
    watch = ContinuousClock.now
    let session = arguments.session
    var options = try options()
    options.quantization.scheme = try quantizing.readScheme()
    options.quantization.ranksLayers = ranksLayers
    options.quantization.progress = console.quantizing
    var compilation = try session.compile(model, for: description, options)
    compilation.seconds.load = loaded
    if let result = compilation.quantization?.result { try quantizing.writeScheme(result.scheme) }
    for warning in compilation.warnings { console.report(warning, file: path) }
    return (compilation, session)
  }
}
