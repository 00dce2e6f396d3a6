import GraphIR
import KernelIR
import Operators
import Support
import Synchronization
import Tensors

/// Runs a graph of operators on the CPU. Both modes give the same bytes. Shapes may be symbolic; they are
/// bound by the inputs of each run, and the kernels of a set of shapes are made once.
public final class GraphExecutor: Sendable {
  public enum Mode: String, CaseIterable, Sendable {
    /// Every operator's own evaluation, one node after the other; quantized contractions in integers, by the
    /// evaluator of kernels.
    case reference
    /// Kernels, packed, fused and threaded; a node without a lowering runs its evaluation in between.
    case fast
  }

  public struct Result: Sendable {
    /// In the order of the graph's outputs.
    public let outputs: [(name: String, tensor: Tensor)]
    /// The values that were asked for, in that order.
    public let kept: [(name: String, tensor: Tensor)]

    public subscript(name: String) -> Tensor? { (outputs + kept).first { $0.name == name }?.tensor }
  }

  /// What a fast run of some shapes does, for reports.
  public struct Placement: Sendable {
    public let node: String
    public let choice: KernelChoice
    /// Products of a contraction, and the bytes of all operands and the result.
    public let macs: Int
    public let bytes: Int
  }

  /// A placement and how long it takes.
  public struct Timing: Sendable {
    public let placement: Placement
    /// The shortest of all runs.
    public let seconds: Double
  }

  public let graph: Graph
  public let operators: OperatorSet
  public let mode: Mode
  public let options: KernelExecutor.Options
  private let stages = Mutex<[StageKey: Stage]>([:])
  private let shared: PackedConstants
  /// The values that a run computes or is given.
  private let variables: [ValueID]

  /// - Parameters:
  ///   - graph: one that verifies.
  ///   - other: an executor of a graph that has constants in common, whose packed forms serve both.
  public init(
    _ graph: Graph, operators: OperatorSet = .standard, mode: Mode = .fast,
    options: KernelExecutor.Options = .init(), sharingWith other: GraphExecutor? = nil
  ) {
    shared = other?.shared ?? PackedConstants()
    self.graph = graph
    self.operators = operators
    self.mode = mode
    variables = graph.values.ids.filter { graph.values[$0].constant == nil }
    self.options = options
  }

  /// - Parameter inputs: by name; all of the graph's, and no others.
  /// - Parameter names: values of the graph whose contents are wanted beside the outputs.
  /// - Parameter inAnyOrder: whether these may have their elements in the order in which kernels left them, which
  ///   saves a copy; shapes then say no more than how many there are.
  /// - Throws: `invalidOperand` for inputs that are missing, unknown or of another type, and for unknown
  ///   names; what operators and kernels throw.
  public func run(
    _ inputs: [String: Tensor], keeping names: [String] = [], inAnyOrder: Bool = false
  ) throws(Diagnostic) -> Result {
    let arguments = try bind(inputs)
    var wanted: [ValueID] = []
    for name in names { wanted.append(try value(named: name)) }
    let values =
      mode == .reference
      ? try operators.evaluate(graph, arguments, inIntegers: true)
      : try runStages(
        arguments, wanted, unordered: inAnyOrder ? Set(wanted).subtracting(graph.outputs) : [])
    func tensors(_ ids: [ValueID]) throws(Diagnostic) -> [(name: String, tensor: Tensor)] {
      var all: [(name: String, tensor: Tensor)] = []
      for id in ids {
        guard let tensor = values[id] else {
          throw Diagnostic(.invalidGraph, "value \(id) '\(graph.values[id].name)' is never defined")
        }
        all.append((graph.values[id].name, tensor))
      }
      return all
    }
    return Result(outputs: try tensors(graph.outputs), kept: try tensors(wanted))
  }

  /// How the nodes run for inputs like these, by running them.
  public func placements(for inputs: [String: Tensor]) throws(Diagnostic) -> [Placement] {
    var all: [Placement] = []
    _ = try runStages(try bind(inputs), []) { all += $0.placements(self.graph) }
    return all
  }

  /// How long each node takes for inputs like these, by running them `runs` times.
  public func timings(for inputs: [String: Tensor], runs: Int) throws(Diagnostic) -> [Timing] {
    let placements = try placements(for: inputs)
    var seconds = [Double](repeating: .infinity, count: placements.count)
    for _ in 0..<max(runs, 1) {
      let clock = StepClock()
      _ = try runStages(try bind(inputs), [], timing: clock)
      for (index, time) in zip(seconds.indices, clock.seconds) { seconds[index] = min(seconds[index], time) }
    }
    return zip(placements, seconds).map { Timing(placement: $0, seconds: $1) }
  }

  /// The value of that name. - Throws: `invalidOperand`.
  public func value(named name: String) throws(Diagnostic) -> ValueID {
    guard !name.isEmpty, let id = graph.values.ids.first(where: { graph.values[$0].name == name }) else {
      throw Diagnostic(.invalidOperand, "the graph has no value '\(name)'")
    }
    return id
  }

  // MARK: inputs

  /// The inputs in the graph's order, checked against its types.
  private func bind(_ inputs: [String: Tensor]) throws(Diagnostic) -> [Tensor] {
    let known = graph.inputs.map { graph.values[$0].name }
    if let unknown = inputs.keys.filter({ !known.contains($0) }).min() {
      throw Diagnostic(
        .invalidOperand, "the graph has no input '\(unknown)'", help: "its inputs are \(list(known))")
    }
    let missing = known.filter { inputs[$0] == nil }
    guard missing.isEmpty else {
      throw Diagnostic(.invalidOperand, "no data is given for \(list(missing))")
    }
    var symbols: [String: (extent: Int, input: String)] = [:]
    var tensors: [Tensor] = []
    for (id, name) in zip(graph.inputs, known) {
      guard let tensor = inputs[name] else { continue }
      let type = graph.values[id].type
      guard tensor.element == type.element, tensor.shape.count == type.rank else {
        throw Diagnostic(.invalidOperand, "input '\(name)' is \(type), given is \(tensor.type)")
      }
      for (dimension, extent) in zip(type.shape, tensor.shape) {
        switch dimension {
        case .fixed(let expected):
          guard expected == extent else {
            throw Diagnostic(.invalidOperand, "input '\(name)' is \(type), given is \(tensor.type)")
          }
        case .symbol(let symbol):
          guard !symbol.isEmpty else { continue }
          if let earlier = symbols[symbol], earlier.extent != extent {
            throw Diagnostic(
              .invalidOperand,
              "'\(symbol)' is \(earlier.extent) in input '\(earlier.input)' and \(extent) in '\(name)'")
          }
          symbols[symbol] = (extent, name)
        }
      }
      tensors.append(tensor)
    }
    return tensors
  }

  private func list(_ names: [String]) -> String {
    names.map { "'\($0)'" }.joined(separator: ", ")
  }

  // MARK: stages

  private func runStages(
    _ inputs: [Tensor], _ wanted: [ValueID], timing clock: StepClock? = nil, unordered: Set<ValueID> = [],
    observing: ((Stage) -> Void)? = nil
  ) throws(Diagnostic) -> SideTable<ValueID, Tensor?> {
    var values = SideTable<ValueID, Tensor?>(default: nil)
    for (id, tensor) in zip(graph.inputs, inputs) { values[id] = tensor }
    for id in graph.constants { values[id] = graph.values[id].constant }
    var start = 0
    repeat {
      let stage = try stage(from: start, values, wanted)
      observing?(stage)
      try stage.run(&values, graph, operators, timing: clock, unordered: unordered)
      start = stage.end
    } while start < graph.order.count
    return values
  }

  private func stage(
    from start: Int, _ values: SideTable<ValueID, Tensor?>, _ wanted: [ValueID]
  ) throws(Diagnostic) -> Stage {
    let present = variables.compactMap { id in values[id].map { StageKey.Present(id: id, type: $0.type) } }
    let key = StageKey(start: start, present: present, wanted: wanted)
    if let known = stages.withLock({ $0[key] }) { return known }
    var types = [TensorType?](repeating: nil, count: graph.values.count)
    for value in present { types[value.id.index] = value.type }
    var planner = StagePlanner(graph, operators, options, wanted: wanted, sharing: shared)
    let stage = try planner.plan(from: start, types)
    stages.withLock { all in
      // A new set of shapes each run must not fill the memory.
      if all.count >= Self.cachedStages { all.removeAll() }
      all[key] = stage
    }
    return stage
  }

  private static let cachedStages = 32
}

/// What decides a stage: where it starts, and which values are there with which shapes.
struct StageKey: Hashable, Sendable {
  struct Present: Hashable, Sendable {
    let id: ValueID
    let type: TensorType
  }

  let start: Int
  let present: [Present]
  let wanted: [ValueID]
}
