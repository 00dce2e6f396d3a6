import GraphIR
import Operators
import Support
import Tensors
import TestSupport
import Testing

private let source = """
  graph "g" {
    %0 "flag": bool[] = input
    %1 "x": f32[1,2] = input
    %2 "y": f32[1,2] = If "choose" (%0, %1, %1) with (graph "then" {
      %0: f32[1,2] = input
      %1: f32[1,2] = Neg (%0)
      return %1
    }
    , graph "else" {
      %0: f32[1,2] = input
      return %0
    }
    )
    return %2
  }
  """

@Test(arguments: [false, true])
func branchIsChosenAtRunTime(flag: Bool) throws {
  let graph = try Graph(text: source)
  #expect(graph.verify() == [] && OperatorSet.standard.check(graph) == [])
  let x = try Tensor(TensorType(.f32, [1, 2]), [Float(1), -2])
  let values = try OperatorSet.standard.evaluate(graph, [try Tensor(TensorType(.bool, []), [flag]), x])
  #expect(values[graph.outputs[0]]?.floatElements() == (flag ? [-1, 2] : [1, -2]))
}

@Test func regionsAreChecked() throws {
  let unknown = try Graph(text: source.replacing("Neg", with: "Nonsense"))
  #expect(OperatorSet.standard.check(unknown).map(\.kind) == [.unknownOperator])
  let other = try Graph(text: source.replacing("\"y\": f32[1,2]", with: "\"y\": f32[2]"))
  #expect(OperatorSet.standard.check(other).map(\.kind) == [.invalidOperand])
  let few = try Graph(text: source.replacing("(%0, %1, %1)", with: "(%0, %1)"))
  #expect(throws: Diagnostic.self) { try OperatorSet.standard.infer(few.order[0], in: few) }
}
