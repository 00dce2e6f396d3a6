import GraphIR
import Operators
import Support
import Tensors

extension Scheme {
  /// i8 by the smallest and largest values: activations and constants of arithmetic per tensor and
  /// asymmetric, weights per output channel and symmetric.
  /// - Parameters:
  ///   - graph: behind the float passes, before `fuse-qdq`.
  ///   - calibration: of the same graph. What it has not seen stays in f32.
  public static func minMax(_ graph: Graph, _ calibration: Calibration) throws(Diagnostic) -> Scheme {
    var builder = MinMaxBuilder(graph, calibration)
    try builder.addConstants()
    return builder.scheme()
  }
}

private struct MinMaxBuilder {
  private let graph: Graph
  private let calibration: Calibration
  private let keys: ValueKeys
  private let groups: ScaleGroups
  /// By the root of each group: the union of what its values span.
  private var groupRanges = SideTable<ValueID, ValueRange?>(default: nil)
  private var entries = SideTable<ValueID, Scheme.Entry?>(default: nil)
  private var forms = SideTable<ValueID, ConstantForm?>(default: nil)

  init(_ graph: Graph, _ calibration: Calibration) {
    self.graph = graph
    self.calibration = calibration
    keys = ValueKeys(graph)
    groups = ScaleGroups(graph)
    for id in graph.values.ids where !groups.isCut[id] {
      guard let range = calibration.ranges[keys[id]] else { continue }
      let root = groups.root(id)
      groupRanges[root] = range.union(groupRanges[root])
    }
    for node in graph.order {
      guard let (_, positions) = QuantizedRole.of(node, in: graph) else { continue }
      let operands = positions.map { graph.operands(of: node)[$0] }
      for id in operands + graph.results(of: node) where graph.constant(id) == nil { addActivation(id) }
    }
  }

  private mutating func addActivation(_ id: ValueID) {
    let root = groups.root(id)
    guard !groups.isSettled[id], groups.isWorthwhile(root), let shared = groupRanges[root] else { return }
    let own = calibration.ranges[keys[id]] ?? shared
    entries[id] = Scheme.Entry(keys[id], .i8, shared.asymmetric, method: "min-max", own)
  }

  /// A constant that two nodes need in different forms has that of the first; the others stay in f32.
  mutating func addConstants() throws(Diagnostic) {
    for node in graph.order {
      guard let (role, positions) = QuantizedRole.of(node, in: graph) else { continue }
      let operands = graph.operands(of: node)
      for position in positions {
        let id = operands[position]
        guard let constant = graph.constant(id), let range = calibration.ranges[keys[id]] else { continue }
        let form = ConstantForm.of(position, of: node, role, in: graph)
        guard (forms[id] ?? form) == form else { continue }
        forms[id] = form
        let quantization: Quantization
        switch form {
        case .asymmetric: quantization = (groupRanges[groups.root(id)] ?? range).asymmetric
        case .symmetric(let axis):
          var scales = Self.symmetricScales(constant, axis: axis)
          if let before = entries[id] {
            scales = zip(scales, before.quantization.scale).map { max($0, $1) }
          }
          if position == 1 { widen(&scales, node) }
          quantization = Quantization(
            scale: scales, zeroPoint: scales.map { _ in 0 }, axis: scales.count == 1 ? nil : axis)
        }
        entries[id] = Scheme.Entry(keys[id], .i8, quantization, method: "min-max", range)
      }
    }
  }

  /// max|w| / 127 of each channel; 1 / 127 for channels of zeros.
  private static func symmetricScales(_ constant: Tensor, axis: Int?) -> [Float] {
    let inner = axis.map { constant.shape[($0 + 1)...].reduce(1, *) } ?? 1
    let extent = axis.map { constant.shape[$0] } ?? 1
    var largest = [Float](repeating: 0, count: extent)
    for (index, value) in constant.floatElements().enumerated() where value.isFinite {
      let channel = axis == nil ? 0 : index / inner % extent
      largest[channel] = max(largest[channel], abs(value))
    }
    return largest.map { $0 == 0 ? 1 / 127 : max($0 / 127, .leastNormalMagnitude) }
  }

  /// Makes the scales of weights so large that the bias, in units of their product with the scale of x, stays
  /// within 2^30: half of what the sum may hold.
  private func widen(_ scales: inout [Float], _ node: NodeID) {
    let operands = graph.operands(of: node)
    guard operands.count > 2, let bias = graph.constant(operands[2]), let x = entries[operands[0]],
      bias.count == scales.count || bias.count == 1
    else { return }
    let values = bias.floatElements()
    for channel in scales.indices {
      let least = abs(values[values.count == 1 ? 0 : channel]) / (x.quantization.scale[0] * 0x1p30)
      if least.isFinite { scales[channel] = max(scales[channel], least) }
    }
  }

  func scheme() -> Scheme { Scheme(graph.values.ids.compactMap { entries[$0] }) }
}
