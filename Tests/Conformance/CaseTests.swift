import Executor
import Foundation
import Furc
import GraphIR
import Operators
import Support
import Tensors
import Testing

/// Every model on its cases, by the evaluators and by kernels: as imported and after all passes.
@Suite(.serialized) struct CaseTests {
  /// Those whose evaluators take minutes; `FURC_ALL=1` includes them.
  static let slow: Set<String> = ["super_resolution_10"]
  static let isEverything = ProcessInfo.processInfo.environment["FURC_ALL"] == "1"

  /// Twenty-eight layers whose steps add up: the other runtime is as far from itself, without its own passes.
  /// Contractions by integers may be a step from those by floats (rule Q), so `layersAgree` compares layers.
  static let deep = "mobilenet_v1_025_128_qdq"

  static let models = ModelFile.all.filter { $0.has("case.npz") }

  @Test(arguments: models) func casesAreMet(_ model: ModelFile) throws {
    let session = Session()
    let isHalf = model.stem.contains("fp16")
    let isDeep = model.stem == Self.deep
    for (graph, name) in zip(try model.graphs(session), ["as imported", "after passes"]) {
      let runs = try CaseRun.all(model, graph)
      #expect(!runs.isEmpty)
      let fast = session.executor(graph)
      let reference = session.executor(graph, .reference)
      for (number, run) in runs.enumerated() {
        let found = try fast.run(run.inputs).outputs
        let evaluates = !Self.slow.contains(model.stem) || Self.isEverything
        let expected = evaluates ? try reference.run(run.inputs).outputs : []
        for (output, wanted) in zip(found, run.outputs) {
          let fault = fault(
            output.tensor, wanted, isHalf: isHalf, steps: isDeep ? 8 : 1)
          #expect(fault == nil, "\(name), run \(number), \(output.name)")
          guard isDeep else { continue }
          let apart = zip(try output.tensor.int64Elements(), try wanted.int64Elements()).map { abs($0 - $1) }
          #expect(apart.count { $0 > 1 } * 100 <= apart.count)
        }
        for (output, same) in zip(found, expected) {
          #expect(output.tensor == same.tensor, "\(name), run \(number), \(output.name)")
        }
      }
    }
  }

  /// Each node of the canonical quantized graph, on what the kernels before it gave: kernels give the evaluator's
  /// bytes, contractions at most one step in a thousandth of the places.
  @Test(arguments: ModelFile.all.filter { $0.stem.contains("qdq") && $0.has("case.npz") })
  func layersAgree(_ model: ModelFile) throws {
    let session = Session()
    let graph = try model.graphs(session)[1].withUniqueNames()
    for run in try CaseRun.all(model, graph).prefix(2) { try expectRuleQ(graph, run.inputs, session) }
  }

  /// Threads and instruction sets change no bit.
  @Test(arguments: models) func everyLevelGivesTheSameBytes(_ model: ModelFile) throws {
    let session = Session()
    for graph in try model.graphs(session) {
      guard let run = try CaseRun.all(model, graph).first else { continue }
      let expected = try session.executor(graph).run(run.inputs).outputs.map(\.tensor)
      for level in 0...2 {
        for threads in 1...2 {
          // Portable kernels take ten times as long.
          let isSlow = level == 0 && threads == 1 && Self.slow.contains(model.stem)
          if isSlow, !Self.isEverything { continue }
          let options = KernelExecutor.Options(threads: threads, level: level)
          let executor = GraphExecutor(graph, mode: .fast, options: options)
          let found = try executor.run(run.inputs).outputs.map(\.tensor)
          #expect(found == expected, "level \(level), \(threads) threads")
        }
      }
    }
  }
}

/// Each node of a canonical quantized graph, on what the kernels before it gave: kernels give the evaluator's bytes,
/// contractions at most one step in a thousandth of the places. - Parameter graph: one whose names are unique.
func expectRuleQ(_ graph: Graph, _ inputs: InputSet, _ session: Session) throws {
  let results = graph.order.flatMap { graph.results(of: $0) }
  let kept = try session.executor(graph).run(inputs, keeping: results.map { graph.values[$0].name }).kept
  var values = SideTable<ValueID, Tensor?>(default: nil)
  for id in graph.inputs { values[id] = inputs[graph.values[id].name] }
  for id in graph.constants { values[id] = graph.values[id].constant }
  for (id, tensor) in zip(results, kept) { values[id] = tensor.tensor }
  for node in graph.order {
    let operands = graph.operands(of: node).map { $0.isNone ? nil : values[$0] }
    let wanted = try session.operators.evaluate(node, in: graph, operands)
    for (id, tensor) in zip(graph.results(of: node), wanted) {
      let found = try #require(values[id])
      guard found != tensor else { continue }
      let isContraction = ["Conv", "Gemm", "MatMul", "ConvTranspose"].contains(graph.nodes[node].op)
      #expect(isContraction && !tensor.element.isFloat, "\(graph.location(of: node))")
      let apart = zip(try found.int64Elements(), try tensor.int64Elements()).map { abs($0 - $1) }
      #expect(apart.allSatisfy { $0 <= 1 } && apart.count { $0 > 0 } * 1000 <= max(apart.count, 1000))
    }
  }
}
