import GraphIR
import Operators
import Support
import Tensors

/// Keeps few of the costliest layers in f32, none of which could go, so that every output has a signal-to-noise ratio.
struct PrecisionSearch {
  let graph: Graph
  let network: NetworkError
  let operators: OperatorSet
  /// Of the graph.
  let constants: StoredConstants
  /// In dB.
  let goal: Double

  /// - Returns: the scheme with what it keeps, and the layers that were raised, the costliest first; the ranking where
  ///   one was needed.
  /// - Throws: `invalidOperand` where the goal is not reached even with everything in f32.
  func run(
    _ scheme: Scheme, progress: (Int, Int) -> Void
  ) throws(Diagnostic) -> (scheme: Scheme, raised: [LayerCost], costs: [LayerCost]) {
    let first = try failing(scheme)
    guard !first.isEmpty else { return (scheme, [], []) }
    let costs = try LayerCosts(
      graph, scheme, network, operators, sharing: constants, outputs: first, progress: progress)
    // More layers in f32 lose less, as good as always: a binary search behind doubling steps.
    var (low, high) = (0, 1)
    while try !failing(keeping(high, costs, scheme)).isEmpty {
      guard high < costs.ranked.count else {
        throw Diagnostic(
          .invalidOperand, "no layer can be raised further to reach \(goal) dB at every output",
          help: "ask for less with --min-sqnr")
      }
      low = high
      high = min(high * 2, costs.ranked.count)
    }
    while high - low > 1 {
      let middle = (low + high) / 2
      if try failing(keeping(middle, costs, scheme)).isEmpty { high = middle } else { low = middle }
    }
    // A layer between others gains little by itself: what the goal does not need goes back, the cheapest first.
    var raised = Array(costs.ranked.prefix(high))
    for cost in raised.reversed() {
      let fewer = raised.filter { $0 != cost }
      if try failing(keeping(fewer, costs, scheme)).isEmpty { raised = fewer }
    }
    return (keeping(raised, costs, scheme), raised, costs.ranked)
  }

  private func keeping(_ count: Int, _ costs: LayerCosts, _ scheme: Scheme) -> Scheme {
    keeping(Array(costs.ranked.prefix(count)), costs, scheme)
  }

  private func keeping(_ raised: [LayerCost], _ costs: LayerCosts, _ scheme: Scheme) -> Scheme {
    var kept = Set(scheme.kept)
    for cost in raised { kept.formUnion(costs.nodes[cost.node] ?? []) }
    var result = scheme
    result.kept = kept.sorted()
    return result
  }

  /// The outputs below the goal.
  private func failing(_ scheme: Scheme) throws(Diagnostic) -> Set<String> {
    let ratios = try network.ratios(try graph.quantized(by: scheme, operators, sharing: constants))
    return Set(ratios.filter { $0.ratio.decibels < goal }.map(\.output))
  }
}
