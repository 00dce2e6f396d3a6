import GraphIR
import Operators
import Passes
import Support
import Tensors

extension Pass {
  /// Cross-layer equalization by weights alone: the ranges of what two contractions share become alike (Nagel et al.,
  /// "Data-Free Quantization Through Weight Equalization and Bias Correction", 2019).
  public static let equalizeChannels = Pass(
    "equalize-channels", "makes the channels between two contractions span alike intervals"
  ) { (rewriter, _) throws(Diagnostic) in
    _ = try rewriter.equalize { graph, site in
      graph.weightRanges(of: site.producer, channels: site.channels, outputs: true)
    }
  }

  /// Divides channels between contractions by given factors.
  public static func scaleChannels(_ equalizations: [Scheme.Equalization]) -> Pass {
    Pass("scale-channels", "divides channels between contractions by given factors") {
      (rewriter, _) throws(Diagnostic) in
      let keys = ValueKeys(rewriter.graph)
      for site in EqualizationSite.all(rewriter.graph) {
        guard let given = equalizations.first(where: { $0.value == keys[site.value] }),
          given.divisors.count == site.channels
        else { continue }
        guard rewriter.startChange() else { return }
        try rewriter.scale(site, by: given.divisors)
      }
    }
  }
}

extension Graph {
  /// What makes the channels of observed values span alike intervals.
  package func equalizations(_ ranges: ChannelRanges) throws(Diagnostic) -> [Scheme.Equalization] {
    let keys = ValueKeys(self)
    var rewriter = Rewriter(self)
    return try rewriter.equalize { _, site in ranges.ranges[keys[site.value]] }
  }
}

extension EqualizationSite {
  /// By what each channel is divided: √(range / range of the weights that read it), or where depthwise convolutions
  /// alone read, whose weights have a scale per channel anyhow, the range; the middle of the logarithms is 0. Nil where
  /// nothing would change.
  fileprivate func divisors(_ graph: Graph, _ ranges: [Float]) -> [Float]? {
    var read = [Float](repeating: 0, count: channels)
    let isDepthwise = consumers.allSatisfy { graph.isDepthwise($0) }
    for consumer in consumers {
      let found = graph.weightRanges(of: consumer, channels: channels, outputs: false)
      for channel in 0..<channels { read[channel] = max(read[channel], found[channel]) }
    }
    let wanted = zip(ranges, read).map { range, weight -> Float in
      guard range > 0, weight > 0, range.isFinite, weight.isFinite else { return 0 }
      return isDepthwise ? range : (range / weight).squareRoot()
    }
    let used = wanted.filter { $0 > 0 && $0.isFinite }
    guard let least = used.min(), let most = used.max(), most > least * 1.01 else { return nil }
    let middle = least.squareRoot() * most.squareRoot()
    return wanted.map { $0 > 0 && $0.isFinite ? min(max($0 / middle, 0x1p-10), 0x1p10) : 1 }
  }
}

extension Rewriter {
  /// Scales the channels of all sites, in program order; one change each.
  /// - Parameter ranges: the largest magnitudes of a site's channels; nil leaves it as it is.
  fileprivate mutating func equalize(
    _ ranges: (Graph, EqualizationSite) -> [Float]?
  ) throws(Diagnostic) -> [Scheme.Equalization] {
    let keys = ValueKeys(graph)
    var done: [Scheme.Equalization] = []
    for site in EqualizationSite.all(graph) {
      guard let ranges = ranges(graph, site), ranges.count == site.channels,
        let divisors = site.divisors(graph, ranges)
      else { continue }
      guard startChange() else { return done }
      try scale(site, by: divisors)
      done.append(Scheme.Equalization(value: keys[site.value], divisors: divisors))
    }
    return done
  }

  fileprivate mutating func scale(_ site: EqualizationSite, by divisors: [Float]) throws(Diagnostic) {
    let factors = divisors.map { 1 / $0 }
    try setWeights(of: site.producer, factors, outputs: true)
    let operands = graph.operands(of: site.producer)
    if operands.count > 2, let bias = graph.constant(operands[2]) {
      let values = bias.floatElements()
      let scaled = factors.indices.map { values[values.count == 1 ? 0 : $0] * factors[$0] }
      let new = constant(
        try Tensor(TensorType(.f32, [scaled.count]), scaled), name: graph.values[operands[2]].name)
      setOperand(2, of: site.producer, to: new)
    }
    for consumer in site.consumers { try setWeights(of: consumer, divisors, outputs: false) }
  }

  private mutating func setWeights(
    of node: NodeID, _ factors: [Float], outputs: Bool
  ) throws(Diagnostic) {
    guard let weights = try graph.weights(of: node, scaling: factors, outputs: outputs) else { return }
    let name = graph.values[graph.operands(of: node)[1]].name
    setOperand(1, of: node, to: constant(weights, name: name))
  }
}
