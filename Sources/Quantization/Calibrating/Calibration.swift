import Executor
import GraphIR
import Operators
import Support
import Tensors

/// What was observed of the values of a float graph: of each that a scale depends on a histogram, which memory
/// bounds whatever the number of samples.
public struct Calibration: Sendable {
  /// By `valueKey`, those of constants included.
  public private(set) var ranges: [String: ValueRange] = [:]
  public private(set) var histograms: [String: Histogram] = [:]
  /// Of graph inputs.
  private var distinct: [String: DistinctValues] = [:]
  public private(set) var sampleCount = 0
  private let observed: [(id: ValueID, key: String)]

  /// Nothing observed yet but the constants.
  /// - Parameter graph: as it will be quantized: behind the float passes.
  public init(of graph: Graph) { self.init(of: graph, ScaleGroups(graph)) }

  init(of graph: Graph, _ groups: ScaleGroups) {
    let keys = ValueKeys(graph)
    for id in graph.constants where graph.values[id].type.element == .f32 {
      ranges[keys[id]] = graph.constant(id).flatMap { ValueRange($0) }
    }
    observed = groups.scaled.map { ($0, keys[$0]) }
    for (id, key) in observed {
      histograms[key] = Histogram()
      if graph.values[id].definition == .input { distinct[key] = DistinctValues() }
    }
  }

  /// Where all values of an input are multiples of one step, the interval of a scale that holds them exactly.
  func grid(_ key: String) -> ValueRange? { distinct[key]?.grid }

  /// The values that are observed.
  public var values: [ValueID] { observed.map(\.id) }

  /// Adds what a run of the graph gave.
  /// - Parameter threads: no result depends on it.
  public mutating func observe(_ values: SideTable<ValueID, Tensor?>, threads: Int = 1) {
    let old = observed.map { histograms[$0.key] ?? Histogram() }
    // The dictionary must not share the storage that grows.
    for (_, key) in observed { histograms[key] = nil }
    let tensors = observed.map { values[$0.id] }
    let new = Parallel.map(observed.count, threads: threads) { index in
      var histogram = old[index]
      if let tensor = tensors[index] { histogram.add(tensor) }
      return histogram
    }
    for ((_, key), histogram) in zip(observed, new) {
      histograms[key] = histogram
      ranges[key] = histogram.range
    }
    for (id, key) in observed {
      if let tensor = values[id] { distinct[key]?.add(tensor) }
    }
    sampleCount += 1
  }

  /// Runs the graph on all samples, one after the other.
  /// - Parameter progress: called after each with how many are done.
  /// - Throws: `invalidOperand` where there are no samples; what samples and runs throw.
  public static func run(
    _ graph: Graph, on samples: some SampleSource, _ operators: OperatorSet = .standard, threads: Int = 1,
    progress: (Int) -> Void = { _ in }
  ) throws(Diagnostic) -> Calibration {
    try run(
      ValueRunner(graph, operators, threads: threads), ScaleGroups(graph), on: samples, threads: threads,
      progress: progress)
  }

  static func run(
    _ runner: ValueRunner, _ groups: ScaleGroups, on samples: some SampleSource, threads: Int,
    progress: (Int) -> Void
  ) throws(Diagnostic) -> Calibration {
    guard samples.count > 0 else {
      throw Diagnostic(.invalidOperand, "calibration needs at least one sample")
    }
    var calibration = Calibration(of: runner.graph, groups)
    for index in 0..<samples.count {
      let values = try runner.run(
        try samples.sample(index), keeping: calibration.values, inAnyOrder: true)
      calibration.observe(values, threads: threads)
      progress(index + 1)
    }
    return calibration
  }
}

/// Runs a graph and gives some of its values, different ones for different runs.
public struct ValueRunner: Sendable {
  public let graph: Graph
  /// Of the same graph, in which every result goes by its id.
  let executor: GraphExecutor

  public init(_ graph: Graph, _ operators: OperatorSet = .standard, threads: Int = 1) {
    self.graph = graph
    var rewriter = Rewriter(graph)
    for id in graph.values.ids where graph.values[id].definition == .result {
      rewriter.setName(of: id, to: id.description)
    }
    executor = GraphExecutor(rewriter.graph, operators: operators, options: .init(threads: threads))
  }

  /// - Parameters:
  ///   - wanted: the values to give beside inputs, outputs and constants, in any order.
  ///   - inAnyOrder: whether their elements may come in any order.
  public func run(
    _ inputs: [String: Tensor], keeping wanted: [ValueID] = [], inAnyOrder: Bool = false
  ) throws(Diagnostic) -> SideTable<ValueID, Tensor?> {
    var values = SideTable<ValueID, Tensor?>(default: nil)
    for id in graph.inputs { values[id] = inputs[graph.values[id].name] }
    for id in graph.constants { values[id] = graph.values[id].constant }
    let results = wanted.filter { graph.values[$0].definition == .result }
    let run = try executor.run(inputs, keeping: results.map(\.description), inAnyOrder: inAnyOrder)
    for (id, output) in zip(graph.outputs, run.outputs) { values[id] = output.tensor }
    for (id, kept) in zip(results, run.kept) { values[id] = kept.tensor }
    return values
  }
}

/// By what scales, schemes and reports know a value: its name, or `%` and its number where it has none or an
/// earlier value has the same.
struct ValueKeys {
  private var keys = SideTable<ValueID, String>(default: "")

  init(_ graph: Graph) {
    var taken: Set<String> = []
    for id in graph.values.ids {
      let name = graph.values[id].name
      keys[id] = !name.isEmpty && taken.insert(name).inserted ? name : id.description
    }
  }

  subscript(id: ValueID) -> String { keys[id] }
}
