import GraphIR
import Operators
import Support
import Tensors
import Testing

/// All results of a node of `ai.onnx.ml`, held to the types that inference gives.
func learned(_ op: String, _ attributes: [Attribute], _ operands: [Tensor]) throws -> [Tensor] {
  var builder = GraphBuilder(name: "learned")
  let node = Node(op, domain: "ai.onnx.ml", attributes)
  let ids = operands.enumerated().map { builder.input("x\($0)", ValueType($1.type)) }
  let types = try OperatorSet.standard.infer(node, operands.map { OperandType(ValueType($0.type)) })
  let results = builder.node(node, ids, results: types.map { Value($0) })
  let graph = builder.finish(returning: results)
  #expect(try Graph(text: graph.text) == graph)
  let values = try OperatorSet.standard.evaluate(graph, operands)
  let tensors = try results.map { try #require(values[$0]) }
  #expect(tensors.map { ValueType($0.type) } == types)
  return tensors
}

/// The message that a node of `ai.onnx.ml` is refused with.
func refusal(_ op: String, _ attributes: [Attribute], _ operands: [Tensor]) -> String {
  do {
    return "\(try learned(op, attributes, operands))"
  } catch let error as Diagnostic { return error.message } catch { return "\(error)" }
}

/// Rows of f32.
func rows(_ rows: [[Float]]) throws -> Tensor {
  try Tensor(TensorType(.f32, [rows.count, rows.first?.count ?? 0]), rows.flatMap { $0 })
}

func floats(_ name: String, _ values: [Float]) -> Attribute { Attribute(name, .floats(values)) }

/// The largest distance of two lists, infinite where one ends earlier; NaN and infinities must be equal.
func distance(_ found: [Float], _ wanted: [Float]) -> Float {
  guard found.count == wanted.count else { return .infinity }
  return zip(found, wanted).reduce(0) { worst, pair in
    let (a, b) = pair
    if a == b || (a.isNaN && b.isNaN) { return worst }
    return (a - b).isFinite ? max(worst, abs(a - b)) : .infinity
  }
}
