import GraphIR
import Operators
import Support
import Tensors

/// What a user may fix about a model while it is read.
public struct ImportOptions: Sendable {
  /// Extents of named dimensions.
  public var dimensions: [String: Int]
  /// The first extent of every input where the model leaves it open.
  public var batch: Int?
  /// Shapes of data for inputs, which fix their open dimensions. A shape with one dimension more than the input
  /// counts from its second on; one of another rank says nothing.
  public var inputShapes: [String: [Int]]
  /// The memory that import may take beside the mapped files, in bytes, as estimated before it is taken. The
  /// default keeps the process within 64 MiB.
  public var memoryLimit: Int

  public init(
    dimensions: [String: Int] = [:], batch: Int? = nil, inputShapes: [String: [Int]] = [:],
    memoryLimit: Int = 56 << 20
  ) {
    self.dimensions = dimensions
    self.batch = batch
    self.inputShapes = inputShapes
    self.memoryLimit = memoryLimit
  }
}

/// A model as it was read: every operator in its newest form, tensors within the mapped files.
public struct ImportedModel: Sendable {
  public let graph: Graph
  /// The version of ONNX's own operators that the model was written for.
  public let opset: Int
  public let irVersion: Int
  public let producer: String
  /// The named dimensions of the model, in the order of their occurrence.
  public let dimensions: [String]
  public let warnings: [Diagnostic]
}

/// Reads ONNX models of IR version 3 to 14.
public enum ONNXImporter {
  /// The newest opset version of ONNX's own domain whose operators are known.
  static let newestOpset: Int64 = 28
  static let irVersions: ClosedRange<Int64> = 3...14

  /// - Throws: everything that is wrong with the model, errors before nothing else: exit status 65 for what
  ///   is malformed or breaks a rule of ONNX, 66 for missing files, 69 for what is not supported and for
  ///   limits, 64 for a dimension that the model does not have.
  public static func importModel(
    path: String, options: ImportOptions = ImportOptions(), operators: OperatorSet = .standard
  ) throws(Diagnostics) -> ImportedModel {
    let slash = path.lastIndex(of: "/")
    let folder = slash.map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
    let file: Storage
    do { file = try Storage(mapping: path) } catch { throw Diagnostics([error]) }
    return try importModel(file, folder: folder, options: options, operators: operators)
  }

  /// - Parameters:
  ///   - file: the bytes of the model; tensors refer to them.
  ///   - folder: where external data may lie; nil if there is none.
  public static func importModel(
    _ file: Storage, folder: String? = nil, options: ImportOptions = ImportOptions(),
    operators: OperatorSet = .standard
  ) throws(Diagnostics) -> ImportedModel {
    do {
      var budget = ImportBudget(limit: options.memoryLimit)
      let read = try MessageReader.read(file, budget: &budget)
      let opsets = try checkVersions(read)
      let model = try FunctionInlining.inline(read, budget: &budget)
      guard let graph = model.graph else {
        throw Diagnostic(.malformedModel, "the file holds no graph: it is not an ONNX model")
      }
      let decoder = TensorDecoder(file: file, external: ExternalData(folder: folder), budget: budget)
      let context = ImportContext(operators: operators, options: options, opsets: opsets, decoder: decoder)
      return try importGraph(graph, model, context)
    } catch let error as Diagnostic {
      throw Diagnostics([error])
    } catch let errors as Diagnostics {
      throw errors
    } catch {
      throw Diagnostics([Diagnostic(.invalidModel, "\(error)")])
    }
  }

  private static func importGraph(
    _ message: GraphMessage, _ model: ModelMessage, _ context: ImportContext
  ) throws(Diagnostics) -> ImportedModel {
    context.reportUnknownOperators(message)
    guard context.errors.isEmpty else { throw Diagnostics(context.errors) }
    context.findBatch(message)
    context.bindInputs(message)
    let graph = GraphImporter(context, name: message.name).graph(message)
    guard let graph, context.errors.isEmpty else {
      throw Diagnostics(
        context.errors.isEmpty ? [Diagnostic(.invalidModel, "the graph is incomplete")] : context.errors)
    }
    let unknown = context.options.dimensions.keys.filter { !context.symbols.contains($0) }.sorted()
    guard unknown.isEmpty else {
      let known = context.symbols.isEmpty ? "it has none" : context.symbols.joined(separator: ", ")
      throw Diagnostics(
        unknown.map { Diagnostic(.unknownDimension, "the model has no dimension '\($0)': \(known)") })
    }
    let faults = graph.verify()
    guard faults.isEmpty else { throw Diagnostics(faults) }
    return ImportedModel(
      graph: graph, opset: Int(context.opsets[""] ?? 0), irVersion: Int(model.irVersion),
      producer: model.producer, dimensions: context.symbols, warnings: context.warnings)
  }

  /// - Returns: the imported version of each domain, by its canonical name.
  private static func checkVersions(_ model: ModelMessage) throws(Diagnostic) -> [String: Int64] {
    guard model.graph != nil, model.irVersion != 0 else {
      throw Diagnostic(.malformedModel, "the file holds no graph or no IR version: it is not an ONNX model")
    }
    guard irVersions.contains(model.irVersion) else {
      throw Diagnostic(
        .unsupportedModel, "the model has IR version \(model.irVersion), supported are \(irVersions)")
    }
    var versions: [String: Int64] = [:]
    for opset in model.opsets { versions[Domain.canonical(opset.domain)] = opset.version }
    if let version = versions[""], !(1...newestOpset).contains(version) {
      throw Diagnostic(
        .unsupportedModel, "the model needs opset \(version), supported are \(1...newestOpset)")
    }
    return versions
  }
}

extension ImportContext {
  /// All nodes whose operator nobody knows, those of regions included.
  fileprivate func reportUnknownOperators(_ graph: GraphMessage) {
    for node in graph.nodes {
      let domain = Domain.canonical(node.domain)
      let version = node.version ?? opsets[domain] ?? 1
      let isKnown =
        operators.find(node.op, domain: domain) != nil
        || (domain.isEmpty && (node.op == "Constant" || Upgrade.replaces(node.op, version: version)))
      if !isKnown {
        let place = domain.isEmpty ? "ONNX's own domain" : "domain '\(domain)'"
        report(
          Diagnostic(.unknownOperator, "operator \(node.op) of \(place) is not supported"), at: node.location)
      }
      for region in node.graphs { reportUnknownOperators(region) }
    }
  }

  /// The extents that the shapes of data give named dimensions; the first to name one counts.
  fileprivate func bindInputs(_ graph: GraphMessage) {
    for input in graph.inputs {
      guard case .tensor(_, let stated?) = input.type, let shape = shape(for: input.name, rank: stated.count)
      else { continue }
      for (dimension, extent) in zip(stated, shape) {
        guard case .named(let name) = dimension, options.dimensions[name] == nil else { continue }
        if boundSymbols[name] == nil { boundSymbols[name] = extent }
      }
    }
  }

  /// The names of the inputs' first dimensions.
  fileprivate func findBatch(_ graph: GraphMessage) {
    let constants = Set(graph.initializers.map(\.name))
    for input in graph.inputs where !constants.contains(input.name) {
      guard case .tensor(_, let shape) = input.type, case .named(let name) = shape?.first else { continue }
      batchSymbols.insert(name)
    }
  }
}
