import Executor
import Foundation
import GraphIR
import KernelIR
import ONNX
import Operators
import Passes
import Quantization
import Support
import Tensors
import Testing

/// A model on its way from file to canonical i8, by the whole range of every value unless told otherwise.
struct Flow {
  let float: Graph
  let result: Quantizer.Result
  var scheme: Scheme { result.scheme }
  let qdq: Graph
  let canonical: Graph

  init(
    _ model: URL, calibration archive: URL, samples: Int = .max, _ options: Quantizer.Options = minMax
  ) throws {
    let imported = try ONNXImporter.importModel(path: model.path, options: ImportOptions(batch: 1))
    try self.init(imported.graph, options) {
      try ArchiveSamples(try NPZArchive(archive.path), for: $0, limit: samples)
    }
  }

  static var minMax: Quantizer.Options {
    var options = Quantizer.Options()
    options.method = .minMax
    return options
  }

  init<Source: SampleSource>(
    _ graph: Graph, _ options: Quantizer.Options = minMax, samples: (Graph) throws -> Source
  ) throws {
    var float = graph
    _ = try PassManager(PassTable.standard.beforeQuantizing).run(on: &float)
    float = float.withUniqueNames()
    self.float = float
    result = try Quantizer(float, .standard, options).run(on: try samples(float))
    qdq = result.graph
    #expect(qdq.verify() == [])
    #expect(OperatorSet.standard.check(qdq) == [])
    var canonical = qdq
    _ = try PassManager(PassTable.standard.afterQuantizing).run(on: &canonical)
    self.canonical = canonical
  }
}

/// The outputs for each sample, by the kernels of the graph.
func outputs(_ graph: Graph, _ samples: some SampleSource) throws -> [[Tensor]] {
  let executor = try KernelExecutor(try OperatorSet.standard.lower(graph))
  return try (0..<samples.count).map { index in
    let sample = try samples.sample(index)
    return try executor.run(graph.inputs.compactMap { sample[graph.values[$0].name] })
  }
}

/// Conversions that do not stand at the border, where they read an input or give an output.
func innerConversions(_ graph: Graph) -> [String] {
  graph.order.compactMap { node in
    let op = graph.nodes[node].op
    let isInner =
      op == "QuantizeLinear"
      ? !graph.inputs.contains(graph.operands(of: node)[0])
      : op == "DequantizeLinear" && !graph.outputs.contains(graph.results(of: node)[0])
    return isInner ? "\(op) of \(graph.values[graph.operands(of: node)[0]].name)" : nil
  }
}

/// The contractions of a kernel graph that do not multiply integers.
func floatContractions(_ graph: KernelGraph) -> [String] {
  graph.nodes.ids.compactMap { id in
    guard let kernel = graph.nodes[id].kernel, kernel.form == .contract else { return nil }
    return kernel.operands.prefix(2).allSatisfy { $0.type.element == .i8 } ? nil : graph.nodes[id].name
  }
}

/// Where the models and their data lie.
enum Models {
  static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent()
  static let digits = root.appending(path: "Samples/models/digits_cnn")
  /// A folder of larger models that not every checkout has beside it.
  static let shared =
    ProcessInfo.processInfo.environment["FURC_MODELS"].map { URL(filePath: $0) }
    ?? root.deletingLastPathComponent().appending(path: "shared/models")
}
