import GraphIR
import Operators
import Passes
import Support
import Tensors

/// Post-training quantization of a float graph to i8: observes its values on samples, finds a scale for each, and
/// corrects what rounding does to means.
public struct Quantizer: Sendable {
  public struct Options: Sendable {
    public var method = CalibrationMethod.automatic
    /// Whether the means of contractions are corrected where that brings the outputs closer to the float ones; nil is
    /// yes for `automatic`.
    public var correctsBiases: Bool?
    /// Whether channels between contractions are scaled to alike intervals; nil as above.
    public var equalizes: Bool?
    /// Nodes that stay in f32, by name.
    public var kept: [String] = []
    /// In dB. Where an output is below, the layers that cost most there stay in f32, as few as that takes.
    public var minimumSQNR: Double?
    /// Whether layers are ranked by what quantizing each costs.
    public var ranksLayers = false
    /// No result depends on it.
    public var threads = 1

    public init() {}
  }

  /// What is being done, and how much of it.
  public enum Step: Sendable {
    case observing(done: Int, of: Int)
    case choosing(done: Int, of: Int)
    case correcting(done: Int, of: Int)
    case ranking(done: Int, of: Int)
  }

  public struct Result: Sendable {
    public let scheme: Scheme
    /// In QDQ form.
    public let graph: Graph
    public let sampleCount: Int
    /// Float against quantized on the samples that choices were compared on, by output.
    public let sqnr: [(output: String, ratio: SignalToNoise)]
    /// What the goal keeps in f32, the costliest first.
    public let raised: [LayerCost]
    /// All layers by what quantizing each alone costs, the costliest first; empty unless that was asked for or needed.
    public let costs: [LayerCost]
  }

  public let graph: Graph
  public let operators: OperatorSet
  public var options: Options

  /// - Parameter graph: behind the float passes, names unique.
  public init(_ graph: Graph, _ operators: OperatorSet = .standard, _ options: Options = Options()) {
    self.graph = graph
    self.operators = operators
    self.options = options
  }

  /// - Throws: `invalidOperand` where there are no samples or a kept node is not there; what samples and runs throw.
  public func run(
    on samples: some SampleSource, progress: (Step) -> Void = { _ in }
  ) throws(Diagnostic) -> Result {
    guard samples.count > 0 else {
      throw Diagnostic(.invalidOperand, "calibration needs at least one sample")
    }
    _ = try graph.nodes(named: options.kept)
    let runner = ValueRunner(graph, operators, threads: options.threads)
    let selection = Selection(samples, elements: try elements(runner, samples))
    var plain = Scheme([])
    plain.kept = options.kept.sorted()
    let network = try NetworkError(
      runner, on: try selection.all(), operators, threads: options.threads)
    var starts = [plain]
    if options.equalizes ?? isAutomatic { starts = try equalized(plain, runner, selection) }
    if starts.count > 1, selection.isOfMany {
      starts = [try better(starts, runner, selection, network)]
    }
    var best: Candidate?
    for start in starts {
      let found = try candidate(from: start, runner, samples, selection, network, progress)
      if found.noise < best?.noise ?? .infinity || best == nil { best = found }
    }
    if let found = best, isAutomatic, !selection.isOfMany { best = try refined(found, selection, network) }
    var scheme = best?.scheme ?? plain
    scheme.equalizations = best?.equalizations ?? []
    return try finished(scheme, samples.count, network, progress)
  }

  /// Uses a scheme that is there already; samples only measure.
  /// - Throws: as `run`; `invalidOperand` where the scheme does not fit the graph.
  public func apply(
    _ scheme: Scheme, measuringOn samples: some SampleSource, progress: (Step) -> Void = { _ in }
  ) throws(Diagnostic) -> Result {
    var scheme = scheme
    scheme.kept = Set(scheme.kept + options.kept).sorted()
    let runner = ValueRunner(graph, operators, threads: options.threads)
    let selection = Selection(samples, elements: try elements(runner, samples))
    let network = try NetworkError(
      runner, on: try selection.all(), operators, threads: options.threads)
    return try finished(scheme, samples.count, network, progress)
  }

  private func finished(
    _ found: Scheme, _ count: Int, _ network: NetworkError, _ progress: (Step) -> Void
  ) throws(Diagnostic) -> Result {
    // Channels are scaled and constants rounded once for all that is tried.
    let constants = StoredConstants()
    var equalizing = Scheme([])
    equalizing.equalizations = found.equalizations
    let equalized = try graph.corrected(by: equalizing, operators)
    var (scheme, raised, costs) = (found, [LayerCost](), [LayerCost]())
    scheme.equalizations = []
    let ranking = { (done: Int, all: Int) in progress(.ranking(done: done, of: all)) }
    if let goal = options.minimumSQNR {
      let search = PrecisionSearch(
        graph: equalized, network: network, operators: operators, constants: constants, goal: goal)
      (scheme, raised, costs) = try search.run(scheme, progress: ranking)
    }
    if options.ranksLayers {
      costs =
        try LayerCosts(equalized, scheme, network, operators, sharing: constants, progress: ranking).ranked
    }
    scheme.equalizations = found.equalizations
    let graph = try graph.quantized(by: scheme, operators)
    return Result(
      scheme: scheme, graph: graph, sampleCount: count, sqnr: try network.ratios(graph), raised: raised,
      costs: costs)
  }

  /// A scheme of the builder's graph, the noise that it leaves, and how that graph came from the given one.
  private struct Candidate {
    var scheme: Scheme
    var noise: Double
    let equalizations: [Scheme.Equalization]
    let builder: SchemeBuilder
    let runner: ValueRunner
  }

  private var isAutomatic: Bool { options.method == .automatic }

  /// - Parameter start: what is decided so far: equalizations and kept nodes.
  private func candidate(
    from start: Scheme, _ plain: ValueRunner, _ samples: some SampleSource,
    _ selection: Selection<some SampleSource>, _ network: NetworkError, _ progress: (Step) -> Void
  ) throws(Diagnostic) -> Candidate {
    let runner = try self.runner(of: start, plain)
    let groups = ScaleGroups(runner.graph, keeping: try runner.graph.nodes(named: start.kept))
    let calibration = try Calibration.run(
      runner, groups, on: samples, threads: options.threads
    ) { progress(.observing(done: $0, of: samples.count)) }
    let builder = SchemeBuilder(runner.graph, calibration, groups)
    var found = try scheme(builder, runner, selection, network, progress)
    if options.correctsBiases ?? isAutomatic {
      found = try corrected(found, builder, runner, selection, network, progress)
    }
    return Candidate(
      scheme: found.scheme, noise: found.noise, equalizations: start.equalizations, builder: builder,
      runner: runner)
  }

  /// As often as shows 2^29 values the network may be quantized to refine a scheme, at most 64 times.
  private func refined(
    _ found: Candidate, _ selection: Selection<some SampleSource>, _ network: NetworkError
  ) throws(Diagnostic) -> Candidate {
    let budget = min(64, (1 << 29) / max(selection.elements * selection.count, 1))
    guard budget > 4 else { return found }
    var refinement = Refinement(found.builder, found.runner, network, operators, budget: budget)
    var refined = (scheme: found.scheme, noise: found.noise)
    if options.correctsBiases ?? true { refined = try refinement.refineBiases(refined) }
    var result = found
    (result.scheme, result.noise) = try refinement.refineRanges(refined)
    return result
  }

  /// Of the graph with equalized channels.
  private func runner(of start: Scheme, _ plain: ValueRunner) throws(Diagnostic) -> ValueRunner {
    guard !start.equalizations.isEmpty else { return plain }
    return ValueRunner(try graph.corrected(by: start, operators), operators, threads: options.threads)
  }

  /// The values that one sample shows.
  private func elements(
    _ runner: ValueRunner, _ samples: some SampleSource
  ) throws(Diagnostic) -> Int {
    guard samples.count > 0 else { return 0 }
    let scaled = ScaleGroups(graph).scaled
    let known = scaled.compactMap { graph.values[$0].type.extents }
    guard known.count < scaled.count else { return known.reduce(0) { $0 + $1.reduce(1, *) } }
    let values = try runner.run(try samples.sample(0), keeping: scaled, inAnyOrder: true)
    return scaled.reduce(0) { $0 + (values[$1]?.count ?? 0) }
  }

  // MARK: channels

  /// With channels made alike: first as it is, unless equalization is asked for, then equalized, where that changes
  /// anything.
  private func equalized(
    _ start: Scheme, _ runner: ValueRunner, _ selection: Selection<some SampleSource>
  ) throws(Diagnostic) -> [Scheme] {
    var base = graph
    let passes = PassTable([.dequantizeConstants, .eliminateDeadNodes])
    _ = try PassManager(passes, operators).run(on: &base)
    var ranges = ChannelRanges(base)
    let runner = base == graph ? runner : ValueRunner(base, operators, threads: options.threads)
    for index in 0..<selection.count {
      ranges.observe(try runner.run(try selection.sample(index), keeping: ranges.needed))
    }
    var equalized = start
    equalized.equalizations = try base.equalizations(ranges)
    if equalized.equalizations.isEmpty { return [start] }
    return options.equalizes == true ? [equalized] : [start, equalized]
  }

  /// The one with the least noise where the selected samples alone tell the ranges.
  private func better(
    _ starts: [Scheme], _ plain: ValueRunner, _ selection: Selection<some SampleSource>,
    _ network: NetworkError
  ) throws(Diagnostic) -> Scheme {
    var best: (scheme: Scheme, noise: Double) = (starts[0], .infinity)
    for start in starts {
      let runner = try self.runner(of: start, plain)
      let groups = ScaleGroups(runner.graph, keeping: try runner.graph.nodes(named: start.kept))
      let calibration = try Calibration.run(
        runner, groups, on: selection, threads: options.threads
      ) { _ in }
      let builder = SchemeBuilder(runner.graph, calibration, groups)
      let scheme = try builder.scheme(choices(builder, by: [.meanSquaredError])[0], keeping: start.kept)
      let noise = try network.noise(try runner.graph.quantized(by: scheme, operators))
      if noise < best.noise { best = (start, noise) }
    }
    return best.scheme
  }

  // MARK: scales

  private func scheme(
    _ builder: SchemeBuilder, _ runner: ValueRunner, _ selection: Selection<some SampleSource>,
    _ network: NetworkError, _ progress: (Step) -> Void
  ) throws(Diagnostic) -> (scheme: Scheme, noise: Double) {
    let kept = options.kept.sorted()
    func measured(
      _ choices: SideTable<ValueID, SchemeBuilder.Choice?>
    ) throws(Diagnostic) -> (scheme: Scheme, noise: Double) {
      let scheme = try builder.scheme(choices, keeping: kept)
      return (scheme, try noise(scheme, builder, network))
    }
    guard isAutomatic else { return try measured(choices(builder, by: [options.method])[0]) }
    let candidates = choices(builder, by: CalibrationMethod.candidates)
    let layers = LayerRunner(
      builder.graph, operators, threads: options.threads, sharingWith: runner.executor)
    var errors = OutputErrors(builder, candidates, layers)
    for index in 0..<selection.count {
      try errors.measure(try runner.run(try selection.sample(index), keeping: errors.needed))
      progress(.choosing(done: index + 1, of: selection.count))
    }
    // What is best for each layer alone need not be best for all: the whole network decides.
    var best = try measured(errors.choices)
    for choices in candidates.prefix(selection.isOfMany ? 1 : candidates.count) {
      let found = try measured(choices)
      if found.noise < best.noise { best = found }
    }
    return best
  }

  private func noise(
    _ scheme: Scheme, _ builder: SchemeBuilder, _ network: NetworkError
  ) throws(Diagnostic) -> Double {
    try network.noise(
      try builder.graph.quantized(by: scheme, operators, sharing: builder.constants))
  }

  /// What each method makes of the scales; with `automatic` inputs of multiples of one step keep that step.
  private func choices(
    _ builder: SchemeBuilder, by methods: [CalibrationMethod]
  ) -> [SideTable<ValueID, SchemeBuilder.Choice?>] {
    var all = builder.choices(by: methods, threads: options.threads)
    guard isAutomatic else { return all }
    for root in builder.roots {
      guard let exact = builder.exact(root) else { continue }
      for method in all.indices { all[method][root] = exact }
    }
    return all
  }

  // MARK: biases

  private func corrected(
    _ found: (scheme: Scheme, noise: Double), _ builder: SchemeBuilder, _ runner: ValueRunner,
    _ selection: Selection<some SampleSource>, _ network: NetworkError, _ progress: (Step) -> Void
  ) throws(Diagnostic) -> (scheme: Scheme, noise: Double) {
    var errors = try BiasErrors(
      builder.graph, builder.groups, found.scheme, operators, threads: options.threads)
    for index in 0..<selection.count {
      try errors.measure(try runner.run(try selection.sample(index), keeping: errors.needed))
      progress(.correcting(done: index + 1, of: selection.count))
    }
    var scheme = found.scheme
    scheme.corrections = errors.corrections
    let noise = try noise(scheme, builder, network)
    return noise < found.noise || options.correctsBiases == true ? (scheme, noise) : found
  }
}

/// Some of the samples, evenly spread: those that choices are compared on.
struct Selection<Source: SampleSource>: SampleSource {
  private let source: Source
  public let count: Int
  /// The values that one sample shows.
  let elements: Int

  /// Whether all samples together show so many values, 2^27, that alternatives are decided early: those of smaller
  /// sets are followed to the end.
  var isOfMany: Bool { elements > (1 << 27) / max(source.count, 1) }

  /// About as many as show 2^24 values, at least 2 and at most 256.
  init(_ source: Source, elements: Int) {
    self.source = source
    self.elements = elements
    count = min(source.count, max(2, min(256, (1 << 24) / max(elements, 1))))
  }

  public func sample(_ index: Int) throws(Diagnostic) -> [String: Tensor] {
    try source.sample(index * source.count / count)
  }

  func all() throws(Diagnostic) -> [[String: Tensor]] {
    var all: [[String: Tensor]] = []
    for index in 0..<count { all.append(try sample(index)) }
    return all
  }
}
