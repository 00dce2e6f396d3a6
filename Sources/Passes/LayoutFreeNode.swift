import GraphIR
import Operators
import Support
import Tensors

/// A node that can compute on transposed operands and then gives transposed results: y = f(x) where
/// x = transpose(x', p) becomes y' = f'(x') with y = transpose(y', p).
struct LayoutFreeNode {
  enum Operand {
    /// Of the rank of the permutation, transposed or not like the node.
    case data(ValueID)
    /// The same in both layouts.
    case same(ValueID)
    /// A constant, here for the other layout.
    case constant(Tensor)
  }

  let node: Node
  let operands: [Operand]
  /// False for a reduction that leaves no trace of the order.
  let resultsFollow: Bool

  private static let elementwise: Set<String> = [
    "Abs", "Add", "And", "Cast", "Ceil", "Clip", "Cos", "Div", "Elu", "Equal", "Erf", "Exp", "Floor", "Gelu",
    "Greater", "GreaterOrEqual", "HardSigmoid", "HardSwish", "Identity", "LeakyRelu", "Less", "LessOrEqual",
    "Log", "Max", "Min", "Mul", "Neg", "Not", "Or", "Pow", "Reciprocal", "Relu", "Round", "Sigmoid", "Sin",
    "Softplus", "Sqrt", "Sub", "Sum", "Swish", "Tanh", "Where", "Xor",
  ]
  private static let reductions: Set<String> = ["ReduceMax", "ReduceMean", "ReduceMin", "ReduceSum"]
  /// Constants of more elements are not copied.
  private static let largestConstant = 1 << 20

  /// Nil where the node depends on the order of dimensions, or on what is not constant.
  init?(_ id: NodeID, _ p: Permutation, _ graph: Graph) throws(Diagnostic) {
    let node = graph.nodes[id]
    let (ids, results) = (graph.operands(of: id), graph.results(of: id))
    guard node.domain.isEmpty, node.regions.isEmpty, let first = ids.first, !first.isNone,
      (ids + results).allSatisfy({ $0.isNone || graph.values[$0].quantization == nil })
    else { return nil }
    var follow = true
    var new = node
    var operands: [Operand]?
    let axis = Self.integer(node, "axis")
    switch node.op {
    case let op where Self.elementwise.contains(op):
      operands = try Self.broadcasting(ids, p, graph)
    case "Concat":
      operands = try Self.broadcasting(ids, p, graph)
      guard let place = axis.flatMap({ p.place($0) }) else { return nil }
      new = node.setting("axis", .int(Int64(place)))
    case "Softmax", "LogSoftmax":
      operands = [.data(first)]
      guard let place = p.place(axis ?? -1) else { return nil }
      new = node.setting("axis", .int(Int64(place)))
    case "Split":
      operands = [.data(first)] + ids.dropFirst().map { .same($0) }
      guard let place = p.place(axis ?? 0) else { return nil }
      new = node.setting("axis", .int(Int64(place)))
    case "QuantizeLinear", "DequantizeLinear":
      operands = [.data(first)] + ids.dropFirst().map { .same($0) }
      guard node.attribute("block_size") == nil else { return nil }
      if graph.values[ids[1]].type.rank > 0 {
        guard let place = p.place(axis ?? 1) else { return nil }
        new = node.setting("axis", .int(Int64(place)))
      }
    case "Pad": operands = try Self.pad(ids, p, graph)
    case "Slice": operands = try Self.slice(ids, p, graph)
    case let op where Self.reductions.contains(op):
      guard let (moved, keeps) = try Self.reduction(node, ids, p, graph) else { return nil }
      (operands, follow) = (moved, keeps)
      new = Node(
        node.op, name: node.name, node.attributes.filter { $0.name != "axes" }, sources: node.sources)
    default: return nil
    }
    let ranks = follow ? results.map { graph.values[$0].type.rank } : []
    guard let operands, ranks.allSatisfy({ $0 == p.rank }),
      operands.contains(where: { if case .data = $0 { true } else { false } }),
      operands.allSatisfy({
        guard case .data(let value) = $0 else { return true }
        return graph.values[value].type.rank == p.rank
      })
    else { return nil }
    self.node = new
    self.operands = operands
    resultsFollow = follow
  }

  /// Operands that broadcast: of full rank, of one element, or constant.
  private static func broadcasting(
    _ ids: [ValueID], _ p: Permutation, _ graph: Graph
  ) throws(Diagnostic) -> [Operand]? {
    var operands: [Operand] = []
    for id in ids {
      guard !id.isNone else {
        operands.append(.same(id))
        continue
      }
      let type = graph.values[id].type
      if type.rank <= p.rank, type.shape.allSatisfy({ $0 == .fixed(1) }) {
        operands.append(.same(id))
      } else if let constant = graph.constant(id) {
        guard constant.shape.count <= p.rank, constant.count <= largestConstant else { return nil }
        let lead = Array(repeating: 1, count: p.rank - constant.shape.count)
        operands.append(.constant(try p.inverse.apply(constant.reshaped(lead + constant.shape))))
      } else if type.rank == p.rank {
        operands.append(.data(id))
      } else {
        return nil
      }
    }
    return operands
  }

  /// Counts for all dimensions move; counts for stated axes keep their order.
  private static func pad(_ ids: [ValueID], _ p: Permutation, _ graph: Graph) throws(Diagnostic) -> [Operand]?
  {
    var operands: [Operand] = [.data(ids[0])] + ids.dropFirst().map { .same($0) }
    if ids.count > 3, !ids[3].isNone {
      guard let axes = try graph.constant(ids[3])?.int64Elements(), let places = p.places(axes) else {
        return nil
      }
      operands[3] = .constant(try .axes(places))
    } else {
      guard let counts = try graph.constant(ids[1])?.int64Elements(), counts.count == 2 * p.rank else {
        return nil
      }
      let (begins, ends) = (Array(counts[..<p.rank]), Array(counts[p.rank...]))
      operands[1] = .constant(try .axes(p.inverse.apply(begins) + p.inverse.apply(ends)))
    }
    return operands
  }

  private static func slice(
    _ ids: [ValueID], _ p: Permutation, _ graph: Graph
  ) throws(Diagnostic) -> [Operand]? {
    var axes: [Int]?
    if ids.count > 3, !ids[3].isNone {
      axes = try graph.constant(ids[3])?.int64Elements()
    } else if let count = graph.values[ids[1]].type.shape.first?.extent {
      axes = Array(0..<count)
    }
    guard let axes, let places = p.places(axes) else { return nil }
    let steps: [Operand] = ids.count > 4 ? [.same(ids[4])] : []
    return [.data(ids[0]), .same(ids[1]), .same(ids[2]), .constant(try .axes(places))] + steps
  }

  /// A reduction that drops its dimensions fits where the others keep their order.
  private static func reduction(
    _ node: Node, _ ids: [ValueID], _ p: Permutation, _ graph: Graph
  ) throws(Diagnostic) -> (operands: [Operand], follows: Bool)? {
    var axes: [Int] = []
    if ids.count > 1, !ids[1].isNone {
      guard let stated = try graph.constant(ids[1])?.int64Elements() else { return nil }
      axes = stated
    } else if case .ints(let stated)? = node.attribute("axes") {
      axes = stated.map { Int($0) }
    }
    guard let places = p.places(axes) else { return nil }
    let keeps = integer(node, "keepdims") != 0
    if !keeps {
      let reduced = axes.isEmpty && integer(node, "noop_with_empty_axes") != 1 ? Array(0..<p.rank) : places
      let rest = p.order.filter { !reduced.contains($0) }
      guard rest == rest.sorted() else { return nil }
    }
    let second: [Operand] = axes.isEmpty ? [] : [.constant(try .axes(places.sorted()))]
    return ([.data(ids[0])] + second, keeps)
  }

  private static func integer(_ node: Node, _ name: String) -> Int? {
    if case .int(let value)? = node.attribute(name) { Int(value) } else { nil }
  }
}

extension Permutation {
  /// Where the operand has the dimension that `axis` is of the result.
  fileprivate func place(_ axis: Int) -> Int? {
    let index = axis < 0 ? axis + rank : axis
    return order.indices.contains(index) ? order[index] : nil
  }

  fileprivate func places(_ axes: [Int]) -> [Int]? {
    let places = axes.compactMap { place($0) }
    return places.count == axes.count ? places : nil
  }
}

extension Tensor {
  fileprivate static func axes(_ values: [Int]) throws(Diagnostic) -> Tensor {
    try Tensor(TensorType(.i64, [values.count]), values.map { Int64($0) })
  }
}
