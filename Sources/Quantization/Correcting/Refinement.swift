import GraphIR
import Operators
import Support
import Tensors

/// Improves a scheme step by step, by what each step does to the outputs of the whole network: for models that are small
/// enough to run many times.
struct Refinement {
  let builder: SchemeBuilder
  let runner: ValueRunner
  let network: NetworkError
  let operators: OperatorSet
  /// Quantizations of the network that may be tried.
  private(set) var budget: Int

  /// - Parameter runner: of the builder's graph.
  init(
    _ builder: SchemeBuilder, _ runner: ValueRunner, _ network: NetworkError, _ operators: OperatorSet,
    budget: Int
  ) {
    self.builder = builder
    self.runner = runner
    self.network = network
    self.operators = operators
    self.budget = budget
  }

  // MARK: biases

  /// Corrects biases one after the other by the shift of each layer's result with all layers before it quantized and
  /// corrected, as long as the outputs come closer.
  mutating func refineBiases(
    _ found: (scheme: Scheme, noise: Double)
  ) throws(Diagnostic) -> (scheme: Scheme, noise: Double) {
    let graph = builder.graph
    let keys = NodeKeys(graph)
    let layers = builder.groups.layers.filter {
      graph.takesBias($0.node) && $0.quantized.role == .contraction
    }
    guard !layers.isEmpty, layers.count < budget else { return found }
    let names = layers.map { graph.values[$0.result].name }
    let wanted = try means(layers.map(\.result))
    var best = found
    guard var found = try measure(best.scheme, names)?.means else { return best }
    for (index, layer) in layers.enumerated() {
      let key = keys[layer.node]
      var scheme = best.scheme
      let position = scheme.corrections.firstIndex { $0.node == key }
      let old = position.map { scheme.corrections[$0].added } ?? []
      let shift = wanted[index].shift(to: found[index])
      guard !shift.isEmpty, old.isEmpty || old.count == shift.count else { continue }
      let added = shift.indices.map { (old.isEmpty ? 0 : old[$0]) + shift[$0] }
      let correction = Scheme.Correction(node: key, added: added)
      if let position {
        scheme.corrections[position] = correction
      } else {
        scheme.corrections.append(correction)
      }
      guard let next = try measure(scheme, names) else { break }
      if next.noise < best.noise { (best, found) = ((scheme, next.noise), next.means) }
    }
    return best
  }

  /// Of the float graph.
  private func means(_ values: [ValueID]) throws(Diagnostic) -> [ChannelMeans] {
    var means = values.map { _ in ChannelMeans() }
    for sample in network.samples {
      let run = try runner.run(sample, keeping: values)
      for (index, id) in values.enumerated() {
        if let tensor = run[id] { means[index].add(tensor) }
      }
    }
    return means
  }

  /// Nil where the budget is spent.
  private mutating func measure(
    _ scheme: Scheme, _ names: [String]
  ) throws(Diagnostic) -> (noise: Double, means: [ChannelMeans])? {
    guard budget > 0 else { return nil }
    budget -= 1
    let quantized = try builder.graph.quantized(by: scheme, operators, sharing: builder.constants)
    return try network.noise(quantized, meansOf: names)
  }

  // MARK: ranges

  /// Makes ranges smaller and larger, one scale after the other, as long as the outputs come closer.
  mutating func refineRanges(
    _ found: (scheme: Scheme, noise: Double)
  ) throws(Diagnostic) -> (scheme: Scheme, noise: Double) {
    var best = found
    let keys = ValueKeys(builder.graph)
    var groups = SideTable<ValueID, [String]>(default: [])
    for id in builder.graph.values.ids { groups[builder.groups.root(id)].append(keys[id]) }
    for factor in [0.8, 0.9, 1.1] as [Float] {
      for root in builder.roots {
        guard builder.exact(root) == nil else { continue }
        var scheme = best.scheme
        for name in groups[root] {
          guard var entry = scheme[name] else { continue }
          entry.quantization = entry.quantization.interval.scaled(factor).asymmetric
          entry.method = "refined"
          scheme[name] = entry
        }
        guard let next = try measure(scheme, []) else { return best }
        if next.noise < best.noise { best = (scheme, next.noise) }
      }
    }
    return best
  }
}

extension Quantization {
  /// What i8 numbers of one scale span.
  fileprivate var interval: ValueRange {
    ValueRange(Float(-128 - zeroPoint[0]) * scale[0], Float(127 - zeroPoint[0]) * scale[0])
  }
}

extension ValueRange {
  fileprivate func scaled(_ factor: Float) -> ValueRange { ValueRange(minimum * factor, maximum * factor) }
}
