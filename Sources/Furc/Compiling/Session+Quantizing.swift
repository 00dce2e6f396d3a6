import Executor
import GraphIR
import Passes
import Quantization
import Support
import Tensors

extension Session {
  /// The QDQ form of a float graph: ranges by running it on calibration data.
  /// - Parameter graph: after the float passes, names unique.
  /// - Throws: what reading the data and running the graph throws.
  public func quantized(
    _ graph: Graph, _ options: CompileOptions, _ warnings: inout [Diagnostic]
  ) throws(Diagnostic) -> Graph {
    let calibration: Calibration
    switch options.calibration {
    case .file(let path):
      calibration = try calibrated(graph, on: try ArchiveSamples(try NPZArchive(path), for: graph))
    case .random(let count):
      warnings.append(
        Diagnostic(
          .syntheticCalibration, "quantized by \(count) synthetic inputs, which says nothing about accuracy",
          help: "accuracy needs --calibration data.npz"))
      let samples = try SyntheticSamples(graph, count: count, seed: options.seed, operators: operators)
      calibration = try calibrated(graph, on: samples)
    }
    let scheme = try Scheme.minMax(graph, calibration)
    return try graph.quantized(by: scheme, operators)
  }

  private func calibrated(
    _ graph: Graph, on samples: some SampleSource
  ) throws(Diagnostic) -> Calibration {
    let executor = executor(graph)
    let results = graph.order.flatMap { graph.results(of: $0) }
    let names = results.map { graph.values[$0].name }
    return try Calibration.run(graph, on: samples) { (inputs) throws(Diagnostic) in
      var values = SideTable<ValueID, Tensor?>(default: nil)
      for id in graph.inputs { values[id] = inputs[graph.values[id].name] }
      let kept = try executor.run(inputs, keeping: names).kept
      for (id, entry) in zip(results, kept) { values[id] = entry.tensor }
      return values
    }
  }

  /// Runs a graph on the CPU.
  public func executor(_ graph: Graph, _ mode: GraphExecutor.Mode = .fast) -> GraphExecutor {
    GraphExecutor(graph, operators: operators, mode: mode, options: .init(threads: threads))
  }
}
