import GraphIR
import Operators
import Passes
import Support
import Tensors
import TestSupport
import Testing

/// Nodes that depend on layouts in all ways that `sink-transposes` knows, on values of rank 3, with Transposes
/// of all orders between them.
private struct RandomLayouts {
  var random: SeededRandom
  var builder = GraphBuilder(name: "layouts")
  var values: [(id: ValueID, shape: [Int])] = []
  var nodes = 0

  init(seed: UInt64) throws {
    random = SeededRandom(seed: seed)
    for name in ["x", "y"] {
      let shape = [2, 3, 4]
      values.append((builder.input(name, type(shape)), shape))
    }
    for _ in 0..<24 { try step() }
  }

  func type(_ shape: [Int]) -> ValueType { ValueType(TensorType(.f32, shape)) }

  mutating func add(
    _ op: String, _ attributes: [Attribute] = [], _ operands: [ValueID], _ shape: [Int]
  ) {
    let node = Node(op, name: "\(op)\(nodes)", attributes, sources: [nodes])
    nodes += 1
    values.append((builder.node(node, operands, type(shape)), shape))
  }

  mutating func constant(_ numbers: [Int]) throws -> ValueID {
    builder.constant(try Tensor(TensorType(.i64, [numbers.count]), numbers.map { Int64($0) }))
  }

  mutating func floats(_ shape: [Int]) throws -> ValueID {
    let numbers = (0..<shape.reduce(1, *)).map { _ in Float.random(in: -1...1, using: &random) }
    return builder.constant(try Tensor(TensorType(.f32, shape), numbers))
  }

  mutating func transpose(_ x: (id: ValueID, shape: [Int]), _ order: [Int]) {
    let perm = Attribute("perm", .ints(order.map(Int64.init)))
    add("Transpose", [perm], [x.id], order.map { x.shape[$0] })
  }

  mutating func step() throws {
    guard let x = values.suffix(6).randomElement(using: &random) else { return }
    let axis = Int.random(in: 0..<3, using: &random)
    let attribute = Attribute("axis", .int(Int64(Bool.random(using: &random) ? axis : axis - 3)))
    var changed = x.shape
    switch Int.random(in: 0..<14, using: &random) {
    case 0...3: transpose(x, Array(0..<3).shuffled(using: &random))
    case 4: add("Sigmoid", [], [x.id], x.shape)
    case 5:
      let partner = values.filter { $0.shape == x.shape }.randomElement(using: &random) ?? x
      add("Add", [], [x.id, partner.id], x.shape)
    case 6: add("Mul", [], [x.id, try floats(Array(x.shape.suffix(axis)))], x.shape)
    case 7:
      let partners = values.filter { value in
        (0..<3).allSatisfy { $0 == axis || value.shape[$0] == x.shape[$0] } && value.shape[axis] < 9
      }
      let other = partners.randomElement(using: &random) ?? x
      changed[axis] += other.shape[axis]
      guard changed[axis] < 12 else { return }
      add("Concat", [Attribute("axis", .int(Int64(axis)))], [x.id, other.id], changed)
    case 8: add("Softmax", [attribute], [x.id], x.shape)
    case 9:
      changed[axis] += 1
      add("Pad", [], [x.id, try constant((0..<6).map { $0 == axis ? 1 : 0 })], changed)
    case 10:
      guard x.shape[axis] > 1 else { return }
      changed[axis] = 1
      add("Slice", [], [x.id, try constant([1]), try constant([2]), try constant([axis])], changed)
    case 11:
      changed[axis] = 1
      add("ReduceMean", [], [x.id, try constant([axis])], changed)
    case 12:
      let scale = builder.constant(try Tensor(TensorType(.f32, []), [Float(0.25)]))
      let zero = builder.constant(try Tensor(TensorType(.i8, []), [Int8(3)]))
      let stored = builder.node(
        Node("QuantizeLinear", sources: [nodes]), [x.id, scale, zero], ValueType(TensorType(.i8, x.shape)))
      add("DequantizeLinear", [], [stored, scale, zero], x.shape)
    default: add("Sub", [], [x.id, try floats([1, x.shape[1], 1])], x.shape)
    }
  }
}

/// Elements of all results of Transposes.
private func transposed(_ graph: Graph) -> Int {
  graph.order.filter { graph.nodes[$0].op == "Transpose" }.reduce(0) { sum, node in
    let (operand, result) = (graph.operands(of: node)[0], graph.results(of: node)[0])
    guard case .ints(let order)? = graph.nodes[node].attribute("perm") else { return sum }
    let shape = graph.values[operand].type.extents ?? []
    let long = order.filter { shape[Int($0)] != 1 }
    return long == long.sorted() ? sum : sum + (graph.values[result].type.extents ?? []).reduce(1, *)
  }
}

/// On random graphs sinking and merging keep every output, to the rounding of reordered sums and a step of what
/// is quantized behind them, and transpose no more elements than before.
@Test(arguments: Seed.all, 0..<40)
func sinkingTransposesKeepsTheMeaning(seed: Seed, round: Int) throws {
  var layouts = try RandomLayouts(seed: seed.value &* 1000 &+ UInt64(round))
  let last = layouts.values.suffix(3)
  let picked = try #require(layouts.values.randomElement(using: &layouts.random))
  let outputs = last.map(\.id) + (last.contains { $0.id == picked.id } ? [] : [picked.id])
  let inputs = try (0..<2).map { _ in
    try Tensor(
      TensorType(.f32, [2, 3, 4]), (0..<24).map { _ in Float.random(in: -2...2, using: &layouts.random) })
  }
  var graph = layouts.builder.finish(returning: outputs)
  _ = try PassManager(PassTable([.eliminateDeadNodes])).run(on: &graph)
  var optimized = graph
  let table = PassTable([.sinkTransposes, .mergeReshapes, .eliminateDeadNodes])
  _ = try PassManager(table).run(on: &optimized)
  #expect(optimized.verify() == [] && OperatorSet.standard.check(optimized) == [])
  #expect(transposed(optimized) <= transposed(graph), "\(graph.text)\(optimized.text)")
  let (before, after) = (
    try OperatorSet.standard.evaluate(graph, inputs), try OperatorSet.standard.evaluate(optimized, inputs)
  )
  for (old, new) in zip(graph.outputs, optimized.outputs) {
    let (a, b) = (try #require(before[old]), try #require(after[new]))
    #expect(a.shape == b.shape)
    let isClose = zip(a.floatElements(), b.floatElements()).allSatisfy { abs($0 - $1) <= 0.2501 }
    let far = zip(a.floatElements(), b.floatElements()).count { abs($0 - $1) > 1e-4 }
    #expect(isClose && far <= a.count / 8, "\(graph.text)\(optimized.text)")
  }
  let sources = graph.order.flatMap { graph.nodes[$0].sources }
  let kept = optimized.order.flatMap { optimized.nodes[$0].sources }
  #expect(Set(kept).isSubset(of: sources))
}
