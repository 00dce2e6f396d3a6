import GraphIR
import KernelIR
import Operators
import Support
import Tensors
import TestSupport
import Testing

/// All results of an LSTM, unrolled into kernels.
@Test(arguments: Seed.all)
func unrolledLSTM(seed: Seed) throws {
  var random = RandomTensors(seed)
  for direction in ["forward", "reverse", "bidirectional"] {
    for hasState in [false, true] {
      let (steps, batch, inputs, hidden) = (
        random.int(1...4), random.int(1...2), random.int(1...3), random.int(1...3)
      )
      let directions = direction == "bidirectional" ? 2 : 1
      var operands: [Tensor?] = [
        try random.floats([steps, batch, inputs]),
        try random.floats([directions, 4 * hidden, inputs], edges: false),
        try random.floats([directions, 4 * hidden, hidden], edges: false),
      ]
      if hasState {
        operands += [try random.floats([directions, 8 * hidden]), nil]
        operands += try (0..<2).map { _ in try random.floats([directions, batch, hidden]) }
      }
      var attributes = [Attribute("direction", .string(direction)), int("hidden_size", hidden)]
      if random.flag() { attributes.append(Attribute("clip", .float(0.5))) }
      if random.flag() { attributes.append(int("input_forget", 1)) }
      try checkAll(Node("LSTM", attributes), operands)
    }
  }
}

private func checkAll(_ node: Node, _ operands: [Tensor?]) throws {
  var builder = GraphBuilder(name: "recurrent")
  let present = operands.enumerated().compactMap { index, tensor in tensor.map { ("x\(index)", $0) } }
  let ids = operands.enumerated().map { index, tensor in
    tensor.map { builder.input("x\(index)", ValueType($0.type)) } ?? .none
  }
  let known = operands.map { tensor in tensor.map { OperandType(ValueType($0.type)) } }
  let types = try OperatorSet.standard.infer(node, known)
  let results = builder.node(node, ids, results: types.map { Value($0) })
  let graph = builder.finish(returning: results)
  let values = try OperatorSet.standard.evaluate(graph, present.map(\.1))
  let evaluated = try graph.outputs.map { try #require(values[$0]) }
  let kernels = try OperatorSet.standard.lower(graph)
  #expect(try kernels.evaluate(named: Dictionary(uniqueKeysWithValues: present)) == evaluated)
}
