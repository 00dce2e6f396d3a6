import Executor
import GraphIR
import Passes
import Quantization
import Support
import Tensors

extension Session {
  /// A float model as quantization starts from it: passes that fold and merge, everything in f32, names unique.
  /// - Throws: what passes throw.
  public func prepared(_ graph: Graph) throws(Diagnostic) -> Graph {
    var result = graph
    _ = try PassManager(passes.beforeQuantizing, operators).run(on: &result)
    return result.withUniqueNames()
  }

  /// The QDQ form of a float graph and how it was found.
  /// - Parameters:
  ///   - graph: as `prepared` gives it.
  ///   - options: how scales are found, and on which data.
  ///   - warnings: gets one where the data are synthetic.
  /// - Throws: what reading the data and running the graph throws; `invalidOperand` for a scheme, a kept node or a
  ///   goal that does not fit.
  public func quantized(
    _ graph: Graph, _ options: QuantizationOptions, _ warnings: inout [Diagnostic]
  ) throws(Diagnostic) -> Quantizer.Result {
    var settings = Quantizer.Options()
    settings.method = options.method
    settings.equalizes = options.equalizes
    settings.correctsBiases = options.correctsBiases
    settings.kept = options.kept
    settings.minimumSQNR = options.minimumSQNR
    settings.ranksLayers = options.ranksLayers
    settings.threads = threads
    let quantizer = Quantizer(graph, operators, settings)
    switch options.calibration {
    case .file(let path):
      let samples = try ArchiveSamples(try NPZArchive(path), for: graph)
      return try run(quantizer, options, samples)
    case .random(let count):
      if options.scheme == nil {
        warnings.append(
          Diagnostic(
            .syntheticCalibration,
            "quantized by \(count) synthetic inputs, which says nothing about accuracy",
            help: "accuracy needs --calibration data.npz"))
      }
      let samples = try SyntheticSamples(graph, count: count, seed: options.seed, operators: operators)
      return try run(quantizer, options, samples)
    }
  }

  private func run(
    _ quantizer: Quantizer, _ options: QuantizationOptions, _ samples: some SampleSource
  ) throws(Diagnostic) -> Quantizer.Result {
    guard let scheme = options.scheme else {
      return try quantizer.run(on: samples, progress: options.progress)
    }
    return try quantizer.apply(scheme, measuringOn: samples, progress: options.progress)
  }

  /// Runs a graph on the CPU.
  public func executor(_ graph: Graph, _ mode: GraphExecutor.Mode = .fast) -> GraphExecutor {
    GraphExecutor(graph, operators: operators, mode: mode, options: .init(threads: threads))
  }
}
