import CKernels
import GraphIR
import Operators
import Support
import Tensors

/// Makes a scheme: i8, activations and constants of arithmetic per tensor and asymmetric, weights per output channel
/// and symmetric.
struct SchemeBuilder {
  /// How the scale of a group was found.
  struct Choice: Equatable {
    var method: CalibrationMethod
    var range: ValueRange
  }

  let graph: Graph
  let groups: ScaleGroups
  /// Of the graph, for all its quantizations.
  let constants = StoredConstants()
  private let calibration: Calibration
  private let keys: ValueKeys
  /// By the root of each group what its values span, and which of them were observed.
  private var ranges = SideTable<ValueID, ValueRange?>(default: nil)
  private(set) var members = SideTable<ValueID, [ValueID]>(default: [])
  /// The roots of the groups that need a scale and can have one, in the order of ids.
  private(set) var roots: [ValueID] = []

  /// - Parameters:
  ///   - graph: behind the float passes, before `fuse-qdq`.
  ///   - calibration: of the same graph. What it has not seen stays in f32.
  init(_ graph: Graph, _ calibration: Calibration, _ groups: ScaleGroups) {
    self.graph = graph
    self.calibration = calibration
    self.groups = groups
    keys = ValueKeys(graph)
    for id in graph.values.ids where !groups.isCut[id] {
      guard let range = calibration.ranges[keys[id]] else { continue }
      let root = groups.root(id)
      ranges[root] = range.union(ranges[root])
    }
    for id in groups.scaled { members[groups.root(id)].append(id) }
    roots = graph.values.ids.filter { !members[$0].isEmpty && ranges[$0] != nil }
  }

  /// The scale that holds a group's values exactly, where it has an input of such values and nothing of another kind.
  func exact(_ root: ValueID) -> Choice? {
    guard members[root].count == 1, let id = members[root].first, let grid = calibration.grid(keys[id]),
      let whole = ranges[root], whole.minimum >= grid.minimum, whole.maximum <= grid.maximum
    else { return nil }
    return Choice(method: .grid, range: grid)
  }

  /// How far below the largest score a Softmax still tells numbers from 0, with a margin for rows of smaller ones.
  private static let softmaxSpan: Float = 40

  /// Scores that Softmax alone reads and that a mask pushes far below all others: what matters of them is near the
  /// largest, and a Softmax makes 0 of the rest wherever it saturates.
  private func masked(_ root: ValueID, _ readers: SideTable<ValueID, [NodeID]>) -> Choice? {
    guard let whole = ranges[root], whole.maximum - whole.minimum > 4 * Self.softmaxSpan else { return nil }
    let operators = members[root].flatMap { readers[$0] }.map { graph.nodes[$0].op }
    guard !operators.isEmpty, operators.allSatisfy({ $0 == "Softmax" || $0 == "LogSoftmax" }) else {
      return nil
    }
    let high = max(whole.maximum, 0)
    return Choice(method: .minMax, range: ValueRange(high - Self.softmaxSpan, high))
  }

  /// What methods, other than `automatic`, make of all groups.
  func choices(
    by methods: [CalibrationMethod], threads: Int
  ) -> [SideTable<ValueID, Choice?>] {
    let readers = graph.users()
    let found = Parallel.map(roots.count, threads: threads) { index in
      if let masked = masked(roots[index], readers) { return methods.map { _ in masked } }
      var row: [Choice] = []
      for method in methods {
        // A scale of one tensor alone has the same argmin for both.
        let same = members[roots[index]].count == 1 && method == .signalToNoise
        let known = same ? row.first { $0.method == .meanSquaredError } : nil
        row.append(
          known.map { Choice(method: method, range: $0.range) } ?? choice(roots[index], by: method))
      }
      return row
    }
    return methods.indices.map { method in
      var choices = SideTable<ValueID, Choice?>(default: nil)
      for (root, row) in zip(roots, found) { choices[root] = row[method] }
      return choices
    }
  }

  private func choice(_ root: ValueID, by method: CalibrationMethod) -> Choice {
    guard let whole = ranges[root] else { preconditionFailure("\(root) was not observed") }
    let histograms = members[root].compactMap { calibration.histograms[keys[$0]] }
    return Choice(method: method, range: RangeFit(histograms, range: whole).range(by: method))
  }

  /// - Parameters:
  ///   - choices: by root; of all roots.
  ///   - kept: nodes that stay in f32.
  func scheme(_ choices: SideTable<ValueID, Choice?>, keeping kept: [String]) throws(Diagnostic) -> Scheme {
    var entries = SideTable<ValueID, Scheme.Entry?>(default: nil)
    for node in graph.order {
      guard let quantized = groups.role(of: node) else { continue }
      let operands = quantized.operands.map { graph.operands(of: node)[$0] }
      for id in operands + graph.results(of: node) where graph.constant(id) == nil && !groups.isSettled[id] {
        let root = groups.root(id)
        guard let choice = choices[root], let shared = ranges[root] else { continue }
        let own = calibration.ranges[keys[id]] ?? shared
        entries[id] = Scheme.Entry(
          keys[id], .i8, choice.range.asymmetric, method: choice.method.description, own)
      }
    }
    addConstants(choices, &entries)
    var scheme = Scheme(graph.values.ids.compactMap { entries[$0] })
    scheme.kept = kept
    return scheme
  }

  // MARK: constants

  /// A constant that two nodes need in different forms has that of the first; the others stay in f32.
  private func addConstants(
    _ choices: SideTable<ValueID, Choice?>, _ entries: inout SideTable<ValueID, Scheme.Entry?>
  ) {
    var forms = SideTable<ValueID, ConstantForm?>(default: nil)
    for node in graph.order {
      guard let quantized = groups.role(of: node) else { continue }
      let operands = graph.operands(of: node)
      for position in quantized.operands {
        let id = operands[position]
        guard let constant = graph.constant(id), let range = calibration.ranges[keys[id]] else { continue }
        let form = ConstantForm.of(position, of: node, quantized.role, in: graph)
        guard (forms[id] ?? form) == form else { continue }
        forms[id] = form
        let quantization: Quantization
        switch form {
        case .asymmetric:
          let root = groups.root(id)
          quantization = (choices[root]?.range ?? ranges[root] ?? range).asymmetric
        case .symmetric(let axis):
          var scales = WeightScales.largest(constant, axis: axis)
          if let before = entries[id] {
            scales = zip(scales, before.quantization.scale).map { max($0, $1) }
          }
          if position == 1 { widen(&scales, node, entries) }
          quantization = Quantization(
            scale: scales, zeroPoint: scales.map { _ in 0 }, axis: scales.count == 1 ? nil : axis)
        }
        entries[id] = Scheme.Entry(
          keys[id], .i8, quantization, method: CalibrationMethod.minMax.description, range)
      }
    }
  }

  /// Makes the scales of weights so large that the bias, in units of their product with the scale of x, stays
  /// within 2^30: half of what the sum may hold.
  private func widen(
    _ scales: inout [Float], _ node: NodeID, _ entries: SideTable<ValueID, Scheme.Entry?>
  ) {
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
}

/// Symmetric scales of weights.
enum WeightScales {
  /// max|w| / 127 of each channel; 1 / 127 for channels of zeros.
  static func largest(_ constant: Tensor, axis: Int?) -> [Float] {
    let extent = axis.map { constant.shape[$0] } ?? 1
    var largest = [Float](repeating: 0, count: extent)
    constant.forEachRun(along: axis) { values, _, count, channel in
      var (low, high) = (Float(0), Float(0))
      furc_range(values, Int64(count), &low, &high, Kernels.level)
      if low <= high { largest[channel] = max(largest[channel], abs(low), abs(high)) }
    }
    return largest.map { $0 == 0 ? 1 / 127 : max($0 / 127, .leastNormalMagnitude) }
  }
}
