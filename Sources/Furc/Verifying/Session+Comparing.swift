import Executor
import GraphIR
import Operators
import Quantization
import Support
import Tensors

extension Session {
  /// The model as imported, by evaluators and by kernels: equal bytes. The model before and after passes: equal
  /// within rtol 1e-3 and atol 1e-4 of the largest value, where the model is float.
  func compareModels(
    _ compilation: Compilation, _ sample: InputSet, _ result: inout Verification
  ) throws(Diagnostic) {
    let graph = compilation.model.graph
    let reference = try executor(graph, .reference).run(sample).outputs
    let fast = try executor(graph).run(sample).outputs
    for (wanted, found) in zip(reference, fast) where found.tensor != wanted.tensor {
      let count = differingBytes(found.tensor, wanted.tensor)
      result.fail("\(count) bytes of '\(wanted.name)' differ between reference and fast executor")
    }
    guard !compilation.optimized.isQuantized else { return }
    let optimized = try executor(compilation.optimized).run(sample).outputs
    for (wanted, found) in zip(reference, optimized) {
      if let distance = Tolerance.models.excess(found.tensor, wanted.tensor) {
        result.fail("passes change '\(wanted.name)' by up to \(distance)")
      }
    }
  }

  /// Every node of the canonical graph, from the same operands by rule Q and by kernels: equal bytes; contractions
  /// one step apart in at most 0.1 % of the elements (or one element).
  func compareNodes(
    _ graph: Graph, _ sample: InputSet, _ result: inout Verification
  ) throws(Diagnostic) {
    let results = graph.order.flatMap { graph.results(of: $0) }
    let kept = try executor(graph).run(sample, keeping: results.map { graph.values[$0].name }).kept
    var values = SideTable<ValueID, Tensor?>(default: nil)
    for id in graph.inputs { values[id] = sample[graph.values[id].name] }
    for id in graph.constants { values[id] = graph.constant(id) }
    for (id, entry) in zip(results, kept) { values[id] = entry.tensor }
    for node in graph.order {
      let operands = graph.operands(of: node).map { $0.isNone ? nil : values[$0] }
      let evaluated = try operators.evaluate(node, in: graph, operands)
      for (id, wanted) in zip(graph.results(of: node), evaluated) {
        guard let found = values[id], found != wanted else { continue }
        let (op, domain) = (graph.nodes[node].op, graph.nodes[node].domain)
        let isContraction = domain.isEmpty && Self.contractions.contains(op)
        let steps = found.type == wanted.type ? Self.steps(found, wanted) : nil
        let allowed = max(1, wanted.count / 1000)
        if isContraction, let steps, steps.largest <= 1, steps.count <= allowed { continue }
        let extent = steps.map { "\($0.count) of \(wanted.count) elements, by up to \($0.largest) steps" }
        result.fail(
          "\(graph.location(of: node)): kernels differ from rule Q in \(extent ?? "type or float bytes")")
      }
    }
  }

  private static let contractions: Set<String> = [
    "Conv", "Gemm", "MatMul", "ConvTranspose", "QLinearConv", "QLinearMatMul", "Einsum",
  ]

  /// How many integers differ and by how much at most; nil for floats.
  private static func steps(_ found: Tensor, _ wanted: Tensor) -> (count: Int, largest: Int)? {
    guard !found.element.isFloat, let a = try? found.int64Elements(), let b = try? wanted.int64Elements()
    else { return nil }
    let distances = zip(a, b).map { abs($0 - $1) }
    return (distances.count { $0 > 0 }, distances.max() ?? 0)
  }

  /// The quantized model against the float one: signal to noise, classes, and labels where there are any.
  func compareFloat(
    _ compilation: Compilation, _ samples: [InputSet], _ options: VerifyOptions, _ result: inout Verification
  ) throws(Diagnostic) {
    let float = executor(compilation.quantization != nil ? compilation.optimized : compilation.model.graph)
    let quantized = executor(compilation.canonical)
    var ratios: [(output: String, ratio: SignalToNoise)] = []
    var agreeing = 0
    for sample in samples {
      let (wanted, found) = (try float.run(sample).outputs, try quantized.run(sample).outputs)
      if ratios.isEmpty { ratios = wanted.map { ($0.name, SignalToNoise()) } }
      for (index, pair) in zip(wanted, found).enumerated() where pair.0.tensor.count == pair.1.tensor.count {
        ratios[index].ratio.add(reference: pair.0.tensor, quantized: pair.1.tensor)
      }
      if let a = wanted.first?.tensor, let b = found.first?.tensor,
        TopOne.classes(a) == TopOne.classes(b)
      {
        agreeing += 1
      }
    }
    result.sqnr = ratios.map { ($0.output, $0.ratio.decibels) }
    if !samples.isEmpty { result.topOneAgreement = Double(agreeing) / Double(samples.count) }
    guard let labelled = options.labelled else { return }
    let archive = try NPZArchive(labelled.path)
    let rows = try ArchiveSamples(archive, for: compilation.canonical, limit: options.rows)
    let labels = try archive.tensor(named: labelled.labels).int64Elements()
    guard rows.count > 0, labels.count >= rows.count else {
      throw Diagnostic(
        .invalidOperand,
        "'\(labelled.path)' has \(rows.count) rows and \(labels.count) labels '\(labelled.labels)'")
    }
    let floatClasses = try classes(float, rows)
    let quantizedClasses = try classes(quantized, rows)
    let wanted = Array(labels.prefix(rows.count))
    result.topOneAgreement = TopOne.agreement(quantizedClasses, floatClasses)
    result.accuracy = Verification.Accuracy(
      rows: rows.count, float: TopOne.agreement(floatClasses, wanted),
      quantized: TopOne.agreement(quantizedClasses, wanted))
  }

  /// The class of each row by the first output: of the largest score, or the output itself where it is one integer.
  private func classes(_ executor: GraphExecutor, _ rows: some SampleSource) throws(Diagnostic) -> [Int] {
    var classes: [Int] = []
    for index in 0..<rows.count {
      guard let scores = try executor.run(try rows.sample(index)).outputs.first?.tensor else { continue }
      if scores.count == 1, !scores.element.isFloat {
        classes += try scores.int64Elements()
      } else {
        classes.append(TopOne.classes(try scores.reshaped([scores.count]))[0])
      }
    }
    return classes
  }
}

/// How far floats may be apart.
public struct Tolerance: Sendable {
  /// Of each element's magnitude.
  public let relative: Double
  /// Of the tensor's largest magnitude.
  public let absolute: Double

  /// Of whole models: rtol 1e-3, atol 1e-4 of the largest value.
  public static let models = Tolerance(relative: 1e-3, absolute: 1e-4)

  /// Of whole models in f16, whose numbers carry eleven bits: rtol 1e-2, atol 2e-3 of the largest value.
  public static let halfModels = Tolerance(relative: 1e-2, absolute: 2e-3)

  /// The largest difference where some element is outside, or nil. Other types must be equal.
  public func excess(_ found: Tensor, _ wanted: Tensor) -> Double? {
    guard found.shape == wanted.shape else { return .infinity }
    let (a, b) = (found.doubleElements(), wanted.doubleElements())
    let largest = b.lazy.filter(\.isFinite).map(abs).max() ?? 0
    var worst: Double?
    for (x, y) in zip(a, b) where x != y && !(x.isNaN && y.isNaN) {
      let distance = abs(x - y)
      if !(distance <= relative * abs(y) + absolute * largest) { worst = max(worst ?? 0, distance) }
    }
    return worst
  }
}
