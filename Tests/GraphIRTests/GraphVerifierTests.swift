import GraphIR
import Support
import Tensors
import TestSupport
import Testing

private let source = """
  graph "g" {
    %0 "x": f32[1] = input
    %1: f32[1] = constant [1.0]
    %2 "a": f32[1] = Relu "a" (%0, %none)
    %3 "b": i8[1] q(0.5, 0) = Relu "b" (%2) {p = 1} from [1, 2]
    return %3
  }
  """

/// Every invariant of the verifier's catalogue, broken on purpose, is found under its name.
@Test func verifierFindsEveryBrokenInvariant() throws {
  let graph = try Graph(text: source)
  #expect(graph.verify() == [])
  func expect(_ rule: String, _ damage: (inout Graph) -> Void) {
    var broken = graph
    damage(&broken)
    #expect(broken.verify().contains { $0.message.hasPrefix(rule) }, "\(rule) in \(broken.text)")
  }
  expect("G1") { $0.outputs = [ValueID(rawValue: 99)] }
  expect("G1") { $0.outputs = [.none] }
  expect("G2") { $0.leaves.swapAt(0, 1) }
  expect("G3") { $0.pool[0] = $0.outputs[0] }
  expect("G4") { $0.values[$0.outputs[0]] = $0.values[$0.leaves[0]] }
  expect("G4") { $0.values[$0.leaves[1]].type = ValueType(.i8, [1]) }
  expect("G7") { $0.values[$0.leaves[0]].type = ValueType(.f32, [-1]) }
  let result = ValueID(rawValue: 3)
  for quantization in [
    Quantization(scale: [0.5], zeroPoint: []), Quantization(scale: [1, 1], zeroPoint: [0, 0]),
    Quantization(scale: [1, 1], zeroPoint: [0, 0], axis: 0),
    Quantization(scale: [1], zeroPoint: [0], axis: 1),
    Quantization(scale: -1), Quantization(scale: .nan), Quantization(scale: .infinity),
    Quantization(scale: 1, zeroPoint: 128),
  ] {
    expect("G6") { $0.values[result].quantization = quantization }
  }
  expect("G6") { $0.values[result].type = ValueType(.f32, [1]) }
}

@Test(arguments: [
  ("p = 1", "p = 1, p = 2", "G5: attribute names [\"p\", \"p\"] repeat"),
  ("[1, 2]", "[2, 1]", "G8: provenance is [2, 1]"),
  (
    "from [1, 2]", "with (graph \"r\" { %0: f32[1] = input return %none })",
    "G9: region 0: G1: an id has no entity"
  ),
])
func nodeInvariants(old: String, new: String, message: String) throws {
  let graph = try Graph(text: source.replacing(old, with: new))
  #expect(graph.verify().map(\.description) == ["error[F0201] node 1 Relu 'b': \(message)"])
}

@Test func inputNamesDiffer() throws {
  let graph = try Graph(
    text: "graph \"g\" { %0 \"x\": f32[1] = input %1 \"x\": f32[1] = input return %0 }")
  #expect(graph.verify().map(\.message) == ["G7: names [\"x\", \"x\"] repeat"])
}
