import Executor
import GraphIR
import Operators
import Support
import Tensors

/// What was observed of the values of a float graph: for each name the interval of its f32 values.
public struct Calibration: Sendable {
  /// All values of a graph for a set of inputs.
  public typealias Runner =
    (_ inputs: [String: Tensor]) throws(Diagnostic) -> SideTable<ValueID, Tensor?>

  /// By `valueKey`, those of constants included.
  public private(set) var ranges: [String: ValueRange] = [:]
  public private(set) var sampleCount = 0
  private let observed: [(id: ValueID, key: String)]

  /// Nothing observed yet but the constants.
  /// - Parameter graph: as it will be quantized: behind the float passes.
  public init(of graph: Graph) {
    let keys = ValueKeys(graph)
    let floats = graph.values.ids.filter { graph.values[$0].type.element == .f32 }
    for id in floats { ranges[keys[id]] = graph.constant(id).flatMap { ValueRange($0) } }
    observed = floats.filter { graph.constant($0) == nil }.map { ($0, keys[$0]) }
  }

  /// Adds what a run of the graph gave.
  public mutating func observe(_ values: SideTable<ValueID, Tensor?>) {
    for (id, key) in observed {
      guard let tensor = values[id], let range = ValueRange(tensor) else { continue }
      ranges[key] = range.union(ranges[key])
    }
    sampleCount += 1
  }

  /// Runs the graph on all samples, one after the other.
  /// - Throws: `invalidOperand` where there are no samples; what samples and runs throw.
  public static func run(
    _ graph: Graph, on samples: some SampleSource, by runner: Runner
  ) throws(Diagnostic) -> Calibration {
    guard samples.count > 0 else {
      throw Diagnostic(.invalidOperand, "calibration needs at least one sample")
    }
    var calibration = Calibration(of: graph)
    for index in 0..<samples.count { calibration.observe(try runner(try samples.sample(index))) }
    return calibration
  }

  /// The same by the fast executor.
  public static func run(
    _ graph: Graph, on samples: some SampleSource, _ operators: OperatorSet = .standard
  ) throws(Diagnostic) -> Calibration {
    try run(graph, on: samples, by: runner(of: graph, operators))
  }

  /// Gives the inputs, the constants and all f32 results of a graph, by the fast executor.
  public static func runner(of graph: Graph, _ operators: OperatorSet = .standard) -> Runner {
    let results = graph.order.flatMap { graph.results(of: $0) }
      .filter { graph.values[$0].type.element == .f32 }
    var rewriter = Rewriter(graph)
    for id in results { rewriter.setName(of: id, to: id.description) }
    rewriter.setOutputs(results)
    let executor = GraphExecutor(rewriter.finish(), operators: operators)
    return { (inputs) throws(Diagnostic) in
      var values = SideTable<ValueID, Tensor?>(default: nil)
      for id in graph.inputs { values[id] = inputs[graph.values[id].name] }
      for id in graph.constants { values[id] = graph.values[id].constant }
      let outputs = try executor.run(inputs).outputs
      for (id, output) in zip(results, outputs) { values[id] = output.tensor }
      return values
    }
  }
}

/// By what ranges and schemes know a value: its name, or `%` and its number where it has none or an earlier
/// value has the same.
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
