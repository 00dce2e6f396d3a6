import GraphIR
import Operators
import Support
import Tensors

/// For each scale the choice, among some, whose rounding changes the results of the layers that read the values
/// least: everything else of such a layer stays in f32. A value that no layer reads counts by its own error.
struct OutputErrors {
  private let builder: SchemeBuilder
  /// By root, different ones only.
  private var candidates = SideTable<ValueID, [SchemeBuilder.Choice]>(default: [])
  /// By root, per candidate: the noise per signal, summed over layers and samples.
  private var errors = SideTable<ValueID, [Double]>(default: [])
  private let readers: SideTable<ValueID, [QuantizedLayer]>
  private let runner: LayerRunner

  /// - Parameter choices: to choose from, each of all groups.
  init(
    _ builder: SchemeBuilder, _ choices: [SideTable<ValueID, SchemeBuilder.Choice?>], _ runner: LayerRunner
  ) {
    self.builder = builder
    self.runner = runner
    var readers = SideTable<ValueID, [QuantizedLayer]>(default: [])
    for layer in builder.groups.layers {
      let operands = builder.graph.operands(of: layer.node)
      for id in Set(layer.quantized.operands.map { operands[$0] }) { readers[id].append(layer) }
    }
    self.readers = readers
    for root in builder.roots {
      for choice in choices.compactMap({ $0[root] }) {
        guard !candidates[root].contains(where: { $0.range.isLike(choice.range) }) else { continue }
        candidates[root].append(choice)
        errors[root].append(0)
      }
    }
  }

  /// The values that `measure` needs.
  var needed: [ValueID] {
    let layers = builder.groups.layers
    let operands = layers.flatMap { builder.graph.operandsFromElsewhere($0.nodes) }
    return Set(operands + layers.map(\.result) + builder.groups.scaled).filter {
      builder.graph.constant($0) == nil
    }
    .sorted()
  }

  /// Adds what the candidates do to one sample. - Parameter values: of its float run.
  mutating func measure(_ values: SideTable<ValueID, Tensor?>) throws(Diagnostic) {
    for root in builder.roots where candidates[root].count > 1 {
      for id in builder.members[root] {
        guard let value = values[id], value.count > 0 else { continue }
        for (index, candidate) in candidates[root].enumerated() {
          let rounded = try value.roundTrip(candidate.range.asymmetric, .i8)
          errors[root][index] += try error(id, value, rounded, values)
        }
      }
    }
  }

  private func error(
    _ id: ValueID, _ value: Tensor, _ rounded: Tensor, _ values: SideTable<ValueID, Tensor?>
  ) throws(Diagnostic) -> Double {
    var sum = 0.0
    if readers[id].isEmpty || builder.graph.outputs.contains(id) {
      sum += Self.relativeNoise(value, rounded)
    }
    for layer in readers[id] {
      guard let reference = values[layer.result] else { continue }
      let found = try runner.run(layer.nodes, giving: layer.result) { $0 == id ? rounded : values[$0] }
      sum += Self.relativeNoise(reference, found)
    }
    return sum
  }

  private static func relativeNoise(_ reference: Tensor, _ found: Tensor) -> Double {
    var ratio = SignalToNoise()
    ratio.add(reference: reference, quantized: found)
    return ratio.relativeNoise
  }

  /// The best candidate of each group, the first of equally good ones.
  var choices: SideTable<ValueID, SchemeBuilder.Choice?> {
    var best = SideTable<ValueID, SchemeBuilder.Choice?>(default: nil)
    for root in builder.roots {
      let ranked = candidates[root].indices.min { errors[root][$0] < errors[root][$1] }
      best[root] = ranked.map { candidates[root][$0] }
    }
    return best
  }
}

extension ValueRange {
  /// Whether both ends are within a percent of the other's.
  fileprivate func isLike(_ other: ValueRange) -> Bool {
    let tolerance = (maximum - minimum) / 100
    return abs(minimum - other.minimum) <= tolerance && abs(maximum - other.maximum) <= tolerance
  }
}
