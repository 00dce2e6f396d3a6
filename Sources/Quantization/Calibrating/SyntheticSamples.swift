import GraphIR
import Operators
import Support
import Tensors

/// Seeded random inputs, for calibration without data. What a graph tells of an input decides its interval:
///
/// - bool is 0 or 1, an integer that indexes the rows of a constant (Gather) is within them, other integers
///   of 8 and 16 bits take all their values, wider ones are 0 or 1.
/// - A float is uniform in [0, 1) unless its first user, behind operators that only move or convert, says
///   more: QuantizeLinear its representable interval, BatchNormalization mean ± √3 deviations, Sub the
///   interval from 0 whose middle is the constant, Div by a constant c and Mul by 1 / c the interval [0, c).
///
/// Symbolic extents are 1 where the graph takes that, see `SampleShapes`. The same seed gives the same samples on every host.
public struct SyntheticSamples: SampleSource {
  enum Interval: Equatable, Sendable {
    case real(Float, Float)
    case integers(Int, Int)
  }

  public let count: Int
  private let seed: UInt64
  private let inputs: [(name: String, type: TensorType, interval: Interval)]

  /// - Throws: what is wrong with a graph for which no shapes are found; it says how to fix them.
  public init(
    _ graph: Graph, count: Int, seed: UInt64 = 0, operators: OperatorSet = .standard
  ) throws(Diagnostic) {
    self.count = count
    self.seed = seed
    let users = graph.users()
    inputs = zip(graph.inputs, try SampleShapes.choose(graph, operators)).map { id, shape in
      let value = graph.values[id]
      return (value.name, TensorType(value.type.element, shape), Self.interval(id, graph, users))
    }
  }

  public func sample(_ index: Int) throws(Diagnostic) -> [String: Tensor] {
    var random = SeededRandom(seed: seed &+ UInt64(index) &* 0x9E37_79B9_7F4A_7C15)
    var sample: [String: Tensor] = [:]
    for (name, type, interval) in inputs {
      let count = try type.elementCount()
      let tensor: Tensor
      switch interval {
      case .real(let low, let high):
        let values = (0..<count).map { _ in low + (high - low) * Float(random.next() >> 40) * 0x1p-24 }
        tensor = try Tensor(TensorType(.f32, type.shape), values)
      case .integers(let low, let high):
        let values = (0..<count).map { _ in Int64(Int.random(in: low...high, using: &random)) }
        tensor = try Tensor(TensorType(.i64, type.shape), values)
      }
      sample[name] = try tensor.converted(to: type.element)
    }
    return sample
  }

  // MARK: what the graph tells

  private static func interval(
    _ input: ValueID, _ graph: Graph, _ users: SideTable<ValueID, [NodeID]>
  ) -> Interval {
    let type = graph.values[input].type
    if !type.element.isFloat { return integers(input, type.element, graph, users) }
    var value = input
    // A chain of moves visits each node once.
    while let user = users[value].first {
      if let found = real(user, of: value, graph) { return found }
      guard passing.contains(graph.nodes[user].op), graph.operands(of: user).first == value else { break }
      value = graph.results(of: user)[0]
    }
    return .real(0, 1)
  }

  /// Operators through which an input reaches the one that tells its interval.
  private static let passing: Set<String> = [
    "Cast", "Flatten", "Identity", "Pad", "Reshape", "Resize", "Slice", "Squeeze", "Transpose", "Unsqueeze",
  ]

  private static func integers(
    _ input: ValueID, _ element: ElementType, _ graph: Graph, _ users: SideTable<ValueID, [NodeID]>
  ) -> Interval {
    for user in users[input] where graph.nodes[user].op == "Gather" {
      let operands = graph.operands(of: user)
      var axis = 0
      if case .int(let stated)? = graph.nodes[user].attribute("axis") { axis = Int(stated) }
      let shape = graph.values[operands[0]].type.shape
      if axis < 0 { axis += shape.count }
      if operands[1] == input, shape.indices.contains(axis), let rows = shape[axis].extent, rows > 0 {
        return .integers(0, rows - 1)
      }
    }
    guard element.size <= 2, let range = element.integerRange else { return .integers(0, 1) }
    return .integers(Int(range.lowerBound), Int(range.upperBound))
  }

  /// What a user of a value with a constant beside it tells, or nil.
  private static func real(_ user: NodeID, of value: ValueID, _ graph: Graph) -> Interval? {
    let operands = graph.operands(of: user)
    guard operands.first == value else {
      // A product may name its factors in either order.
      guard graph.nodes[user].op == "Mul", operands.count == 2 else { return nil }
      return span(floats(operands[0], graph).map { 1 / $0 })
    }
    let second = operands.count > 1 ? floats(operands[1], graph) : []
    switch graph.nodes[user].op {
    case "Div": return span(second)
    case "Mul": return span(second.map { 1 / $0 })
    case "Sub": return span(second.map { 2 * $0 })
    case "BatchNormalization":
      let (mean, variance) = (floats(operands[3], graph), floats(operands[4], graph))
      let reach = variance.map { (3 * max($0, 0)).squareRoot() }
      guard mean.count == reach.count, let low = zip(mean, reach).map({ $0 - $1 }).min(),
        let high = zip(mean, reach).map({ $0 + $1 }).max(), low < high, (high - low).isFinite
      else { return nil }
      return .real(low, high)
    case "QuantizeLinear":
      let element = graph.values[graph.results(of: user)[0]].type.element
      guard second.count == 1, let range = element.integerRange, element.size <= 2 else { return nil }
      var zero = 0
      if operands.count > 2, let constant = graph.constant(operands[2]) {
        zero = (try? constant.int64Elements())?.first ?? 0
      }
      let low = Float(Int(range.lowerBound) - zero) * second[0]
      let high = Float(Int(range.upperBound) - zero) * second[0]
      return low < high && (high - low).isFinite ? .real(low, high) : nil
    default: return nil
    }
  }

  /// From 0 to the largest of them.
  private static func span(_ ends: [Float]) -> Interval? {
    guard let end = ends.max(), end.isFinite, end > 0 else { return nil }
    return .real(0, end)
  }

  private static func floats(_ value: ValueID, _ graph: Graph) -> [Float] {
    guard let constant = graph.constant(value), constant.element.isFloat else { return [] }
    return constant.floatElements()
  }
}
