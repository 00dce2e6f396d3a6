import Executor
import GraphIR
import Operators
import Quantization
import Support
import Tensors

/// What quantization does to the value that a layer gives, and what the layer alone costs at the outputs.
public struct LayerReport: Sendable {
  /// The node's name.
  public let node: String
  /// The node's operator.
  public let op: String
  /// The name of the value.
  public let value: String
  /// Of the value in the quantized model, with all that the layers before it add.
  public let ratio: SignalToNoise
  /// Nil for a layer that stays in f32.
  public let cost: LayerCost?
}

extension Session {
  /// Every layer of a model that was quantized here, the costliest first, those that stay in f32 behind, in program
  /// order. - Throws: what running the graphs throws.
  func layers(
    _ quantization: Compilation.Quantization, _ canonical: Graph, _ samples: [InputSet]
  ) throws(Diagnostic) -> [LayerReport] {
    let float = quantization.float
    let definers = float.definers()
    var stored: [String: ValueID] = [:]
    for id in canonical.order.flatMap({ canonical.results(of: $0) }) {
      stored[canonical.values[id].name] = id
    }
    // A value that is an output, too, keeps its name for the real numbers.
    let compared = float.order.flatMap { float.results(of: $0) }.filter {
      stored[float.values[$0].name] != nil
    }
    let names = compared.map { float.values[$0].name }
    var ratios = names.map { _ in SignalToNoise() }
    let (before, after) = (executor(float), executor(canonical))
    for sample in samples {
      let wanted = try before.run(sample, keeping: names).kept
      let found = try after.run(sample, keeping: names).kept
      for (index, name) in names.enumerated() {
        guard let id = stored[name] else { continue }
        let quantization = canonical.values[id].quantization
        let real = try quantization?.dequantize(found[index].tensor) ?? found[index].tensor
        guard real.count == wanted[index].tensor.count else { continue }
        ratios[index].add(reference: wanted[index].tensor, quantized: real)
      }
    }
    var rank: [String: Int] = [:]
    for (index, cost) in quantization.result.costs.enumerated() { rank[cost.node] = index }
    let reports = zip(compared, ratios).map { id, ratio in
      let node = float.nodes[definers[id]]
      let cost = rank[node.name].map { quantization.result.costs[$0] }
      return LayerReport(node: node.name, op: node.op, value: float.values[id].name, ratio: ratio, cost: cost)
    }
    let last = quantization.result.costs.count
    return reports.enumerated().sorted { left, right in
      (rank[left.element.node] ?? last, left.offset) < (rank[right.element.node] ?? last, right.offset)
    }.map(\.element)
  }
}

extension LayerReport {
  var json: JSON {
    .object([
      .init("node", .string(node)), .init("op", .string(op)), .init("value", .string(value)),
      .init("sqnr_db", .number(ratio.decibels, decimals: 2)),
      .init("alone_db", cost.map { .number($0.decibels, decimals: 2) } ?? .null),
    ])
  }
}

extension [LayerReport] {
  /// The ranked list for people.
  var lines: [String] {
    guard !isEmpty else { return [] }
    let all = reduce(0) { $0 + ($1.cost?.noise ?? 0) }
    return ["layers by loss: share, sqnr of the outputs where it alone is quantized, sqnr of its value"]
      + map { layer in
        let share = layer.cost.map { fixed(all > 0 ? $0.noise / all * 100 : 0, 1) + " %" } ?? "-"
        let alone = layer.cost.map { decibels($0.decibels) } ?? "-"
        return "  \(share)  \(alone)  \(decibels(layer.ratio.decibels))  \(layer.op) '\(layer.node)'"
      }
  }
}
