import Executor
import GraphIR
import Operators
import Passes
import Support
import Tensors

/// How far a quantized graph is from the float one, on some samples: at its outputs, and at the scores that a Softmax
/// or Sigmoid turns into outputs. Probabilities near 0 and 1 hide most of an error and show the rest many times over,
/// so that they alone would let chance decide between quantizations that are almost alike.
package final class NetworkError {
  let samples: [[String: Tensor]]
  private let outputs: [String]
  private let scores: [String]
  /// By sample, outputs before scores.
  private let expected: [[Tensor]]
  private let operators: OperatorSet
  private let threads: Int
  /// The last one, whose packed weights the next may use.
  private var executor: GraphExecutor?

  /// Runs the float graph, whose names are unique.
  package init(
    _ runner: ValueRunner, on samples: [[String: Tensor]], _ operators: OperatorSet, threads: Int
  ) throws(Diagnostic) {
    let graph = runner.graph
    self.samples = samples
    self.operators = operators
    self.threads = threads
    outputs = graph.outputs.map { graph.values[$0].name }
    let compared = graph.scores
    scores = compared.map { graph.values[$0].name }
    var expected: [[Tensor]] = []
    for sample in samples {
      let values = try runner.run(sample, keeping: compared)
      expected.append((graph.outputs + compared).compactMap { values[$0] })
    }
    self.expected = expected
  }

  /// At the outputs. - Parameter graph: as `quantized(by:)` gives it.
  func ratios(_ graph: Graph) throws(Diagnostic) -> [(output: String, ratio: SignalToNoise)] {
    zip(outputs, try measure(graph)).map { ($0, $1) }
  }

  /// The noise per signal at outputs and scores: the product of those of each, so that all count alike in dB.
  package func noise(_ graph: Graph) throws(Diagnostic) -> Double { try noise(graph, meansOf: []).noise }

  /// The same, and on the way the means of the channels (dimension 1) of some values, by name; none for values that the
  /// quantized graph does not have.
  func noise(
    _ graph: Graph, meansOf names: [String]
  ) throws(Diagnostic) -> (noise: Double, means: [ChannelMeans]) {
    var means = names.map { _ in ChannelMeans() }
    let ratios = try measure(graph, names) { index, tensor in means[index].add(tensor) }
    return (ratios.reduce(1) { $0 * max($1.relativeNoise, 1e-30) }, means)
  }

  /// Of outputs, then of scores.
  /// - Parameter probe: gets the real numbers of some other values, by their place among the names.
  private func measure(
    _ graph: Graph, _ probed: [String] = [], _ probe: (Int, Tensor) -> Void = { _, _ in }
  ) throws(Diagnostic) -> [SignalToNoise] {
    var canonical = graph
    var options = PassManager.Options()
    options.verifiesEach = false
    _ = try PassManager(.standard.afterQuantizing, operators, options).run(on: &canonical)
    let executor = GraphExecutor(
      canonical, operators: operators, options: .init(threads: threads), sharingWith: executor)
    self.executor = executor
    var results: [String: ValueID] = [:]
    for id in canonical.order.flatMap({ canonical.results(of: $0) }) {
      results[canonical.values[id].name] = id
    }
    let known = (scores + probed).map { results[$0] }
    let kept = Set(known.compactMap { $0 }).sorted().map { canonical.values[$0].name }
    var ratios = (outputs + scores).map { _ in SignalToNoise() }
    for (sample, expected) in zip(samples, expected) {
      let run = try executor.run(sample, keeping: kept)
      for (index, output) in run.outputs.enumerated() where output.tensor.count == expected[index].count {
        ratios[index].add(reference: expected[index], quantized: output.tensor)
      }
      for (index, id) in known.enumerated() {
        guard let id, let stored = run[canonical.values[id].name] else { continue }
        let real = try canonical.values[id].quantization?.real(stored) ?? stored
        guard index < scores.count else {
          probe(index - scores.count, real)
          continue
        }
        let wanted = expected[outputs.count + index]
        guard real.count == wanted.count else { continue }
        ratios[outputs.count + index].add(reference: wanted, quantized: real)
      }
    }
    return ratios
  }
}

extension Graph {
  /// What the Softmax and Sigmoid nodes read whose results become outputs, or parts of outputs, as they are.
  fileprivate var scores: [ValueID] {
    let definers = definers()
    var found: Set<ValueID> = []
    var seen: Set<ValueID> = []
    var open = outputs
    while let value = open.popLast() {
      guard seen.insert(value).inserted, !definers[value].isNone else { continue }
      let node = definers[value]
      guard nodes[node].domain.isEmpty else { continue }
      let operands = operands(of: node)
      switch nodes[node].op {
      case "Softmax", "LogSoftmax", "Sigmoid":
        if values[operands[0]].definition == .result, !outputs.contains(operands[0]) {
          found.insert(operands[0])
        }
      case "Cast", "Reshape", "Flatten", "Transpose", "Squeeze", "Unsqueeze", "Identity":
        open.append(operands[0])
      case "Concat": open += operands
      default: break
      }
    }
    return found.sorted()
  }
}
