import Executor
import GraphIR
import Operators
import Support
import Tensors

/// Runs single layers of a float graph on operands of one's choice.
final class LayerRunner {
  private let graph: Graph
  private let operators: OperatorSet
  private let threads: Int
  private let shared: GraphExecutor?
  private var runs: [Key: Run] = [:]

  private struct Key: Hashable {
    let nodes: [NodeID]
    let result: ValueID
  }

  private struct Run {
    let executor: GraphExecutor
    let inputs: [ValueID]
  }

  /// - Parameter shared: an executor of a graph with the same constants.
  init(_ graph: Graph, _ operators: OperatorSet, threads: Int, sharingWith shared: GraphExecutor? = nil) {
    self.shared = shared
    self.graph = graph
    self.operators = operators
    self.threads = threads
  }

  /// The result of some nodes, in program order.
  /// - Parameter values: of all variables that the nodes take from elsewhere.
  func run(
    _ nodes: [NodeID], giving result: ValueID, _ values: (ValueID) -> Tensor?
  ) throws(Diagnostic) -> Tensor {
    let key = Key(nodes: nodes, result: result)
    let run = runs[key] ?? make(key)
    runs[key] = run
    var inputs: [String: Tensor] = [:]
    for id in run.inputs { inputs[id.description] = values(id) }
    return try run.executor.run(inputs).outputs[0].tensor
  }

  private func make(_ key: Key) -> Run {
    let needed = graph.operandsFromElsewhere(key.nodes).filter { graph.constant($0) == nil }
    var rewriter = Rewriter(graph.extracting(key.nodes, returning: [key.result], name: ""))
    for (input, id) in zip(rewriter.graph.inputs, needed) { rewriter.setName(of: input, to: id.description) }
    let executor = GraphExecutor(
      rewriter.finish(), operators: operators, options: .init(threads: threads), sharingWith: shared)
    return Run(executor: executor, inputs: needed)
  }
}

extension Graph {
  /// What some nodes take that none of them defines, in the order of ids.
  func operandsFromElsewhere(_ nodes: [NodeID]) -> [ValueID] {
    let defined = Set(nodes.flatMap { results(of: $0) })
    return Set(nodes.flatMap { operands(of: $0) }).filter { !$0.isNone && !defined.contains($0) }.sorted()
  }
}
