import GraphIR
import KernelIR
import Operators
import Support
import Tensors
import TestSupport
import Testing

/// A graph of one node, given its operands: constants for `constants`, inputs for the others.
func graph(
  _ node: Node, _ operands: [Tensor?], constants: Set<Int> = [], quantizations: [Quantization?] = [],
  result: Quantization? = nil, element: ElementType = .i8
) throws -> Graph {
  var builder = GraphBuilder(name: "test")
  var ids: [ValueID] = []
  var types: [OperandType?] = []
  for (index, tensor) in operands.enumerated() {
    guard let tensor else {
      ids.append(.none)
      types.append(nil)
      continue
    }
    let quantization = index < quantizations.count ? quantizations[index] : nil
    let type = ValueType(tensor.type)
    let isConstant = constants.contains(index)
    ids.append(
      isConstant
        ? builder.constant(tensor, name: "c\(index)", quantization: quantization)
        : builder.input("x\(index)", type, quantization: quantization))
    types.append(
      OperandType(
        quantization == nil ? type : ValueType(.f32, type.shape), constant: isConstant ? tensor : nil))
  }
  let inferred = try OperatorSet.standard.infer(node, types)[0]
  let stored = result == nil ? inferred : ValueType(element, inferred.shape)
  let results = builder.node(node, ids, results: [Value(name: "y", stored, quantization: result)])
  return builder.finish(returning: results)
}

/// The value by evaluation, and by the kernels that the node lowers to (nil where it has none).
func run(_ graph: Graph, _ operands: [Tensor?]) throws -> (evaluated: Tensor, lowered: Tensor?) {
  #expect(graph.verify() == [])
  #expect(OperatorSet.standard.check(graph) == [])
  let inputs = try graph.inputs.map { id in
    try #require(Int(graph.values[id].name.dropFirst()).flatMap { operands[$0] })
  }
  let values = try OperatorSet.standard.evaluate(graph, inputs)
  let evaluated = try #require(values[graph.outputs[0]])
  #expect(graph.values[graph.outputs[0]].type == ValueType(evaluated.type))
  guard let kernels = try lowered(graph) else { return (evaluated, nil) }
  let named = Dictionary(uniqueKeysWithValues: zip(graph.inputs.map { graph.values[$0].name }, inputs))
  return (evaluated, try kernels.evaluate(named: named)[0])
}

/// The kernels of a graph, or nil where a node has no lowering.
func lowered(_ graph: Graph) throws -> KernelGraph? {
  do { return try OperatorSet.standard.lower(graph) } catch {
    guard error.kind == .notLowered, error.message.hasPrefix("the operator has no form") else { throw error }
    return nil
  }
}

/// Evaluation and lowering are two statements of one meaning: equal bytes, NaN included.
func check(
  _ op: String, _ attributes: [Attribute] = [], _ operands: [Tensor?], constants: Set<Int> = [],
  isLowered: Bool = true, sourceLocation: SourceLocation = #_sourceLocation
) throws {
  let graph = try graph(Node(op, attributes), operands, constants: constants)
  let (evaluated, lowered) = try run(graph, operands)
  guard isLowered else { return #expect(lowered == nil, sourceLocation: sourceLocation) }
  let found = try #require(lowered, "\(graph.text)", sourceLocation: sourceLocation)
  if found != evaluated {
    Issue.record("\(graph.text)\n\(evaluated.listing)\n\(found.listing)", sourceLocation: sourceLocation)
  }
}

/// Numbers that break careless arithmetic, and ordinary ones.
struct RandomTensors {
  var random: SeededRandom
  private static let edges: [Float] = [
    0, -0.0, 1, -1.5, 0x1p-140, 3e38, .infinity, -.infinity, .nan, 0.1, 0.3, 7,
  ]

  init(_ seed: Seed) { random = seed.random }

  mutating func int(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &random) }
  mutating func flag() -> Bool { Bool.random(using: &random) }
  mutating func pick<Item>(_ items: [Item]) -> Item { items[int(0...(items.count - 1))] }

  mutating func floats(_ shape: [Int], _ element: ElementType = .f32, edges: Bool = true) throws -> Tensor {
    let count = shape.reduce(1, *)
    let values = (0..<count).map { _ -> Float in
      edges && int(0...3) == 0 ? pick(Self.edges) : Float.random(in: -4...4, using: &random)
    }
    return try Tensor(TensorType(.f32, shape), values).converted(to: element)
  }

  mutating func integers(_ shape: [Int], _ element: ElementType) throws -> Tensor {
    let range = element.integerRange ?? -100...100
    return try Tensor(TensorType(element, shape)) { _ in .i32(Int32.random(in: range, using: &random)) }
  }

  /// A scale and a zero point such as calibration gives.
  mutating func quantization(_ element: ElementType = .i8) -> Quantization {
    Quantization(
      scale: Float.random(in: 0.01...0.3, using: &random),
      zeroPoint: element.isFloat ? 0 : Int32.random(in: -30...30, using: &random))
  }

  mutating func quantization(channels: Int, axis: Int) -> Quantization {
    Quantization(
      scale: (0..<channels).map { _ in Float.random(in: 0.001...0.05, using: &random) },
      zeroPoint: [Int32](repeating: 0, count: channels), axis: axis)
  }
}

func vector(_ values: [Int]) throws -> Tensor { try Tensor(TensorType(.i64, [values.count]), values) }
func ints(_ name: String, _ values: [Int]) -> Attribute { Attribute(name, .ints(values.map(Int64.init))) }
func int(_ name: String, _ value: Int) -> Attribute { Attribute(name, .int(Int64(value))) }

extension Tensor {
  /// Type and elements, for a failure's message.
  var listing: String {
    "\(type) \(element.isFloat ? "\(floatElements())" : "\((try? int64Elements()) ?? [])")"
  }
}
