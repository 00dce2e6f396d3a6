import GraphIR
import Support
import Tensors
import TestSupport
import Testing

private let source = """
  graph "g" {
    %0 "x": f32[1] = input
    %1 "w": f32[1] = constant [1.0]
    %2: f32[1] = Add "add" (%0, %1) from [3]
    %3 "y": f32[1] = Relu "relu" (%2) from [1]
    return %3
  }

  """

@Test func editsKeepTheGraphValid() throws {
  var rewriter = Rewriter(try Graph(text: source))
  let (add, relu) = (rewriter.graph.order[0], rewriter.graph.order[1])
  let sum = rewriter.graph.results(of: add)[0]
  let first = rewriter.startChange()
  let fused = rewriter.graph.nodes[add].setting("activation", .string("Relu"))
    .merging([rewriter.graph.nodes[relu]])
  let operands = Array(rewriter.graph.operands(of: add))
  rewriter.redefine(relu, as: fused, operands)
  rewriter.erase(add)
  let second = rewriter.startChange()
  let two = rewriter.constant(try Tensor(TensorType(.f32, [1]), [Float(2)]), name: "two")
  let doubled = rewriter.insert(
    Node("Mul"), [operands[0], two], results: [Value(ValueType(.f32, [1]))], before: relu)
  rewriter.setOperand(0, of: relu, to: doubled[0])
  rewriter.setQuantization(of: sum, to: nil)
  let changes = rewriter.changes
  #expect(first && second && changes == 2)
  let graph = rewriter.finish(droppingDeadConstants: true)
  #expect(graph.verify() == [])
  #expect(
    graph.text == """
      graph "g" {
        %0 "x": f32[1] = input
        %1 "w": f32[1] = constant [1.0]
        %2 "two": f32[1] = constant [2.0]
        %3: f32[1] = Mul (%0, %2)
        %4 "y": f32[1] = Add "add" (%3, %1) {activation = "Relu"} from [1, 3]
        return %4
      }

      """)
}

@Test(arguments: 0...3)
func limitRefusesFurtherChanges(limit: Int) throws {
  var rewriter = Rewriter(try Graph(text: source), limit: limit)
  rewriter.replace(rewriter.graph.order[1], with: [try Tensor(TensorType(.f32, [1]), [Float(3)])])
  rewriter.eraseNodes { _ in true }
  rewriter.eraseConstants { $0.rawValue == 1 }
  let changes = rewriter.changes
  #expect(changes == min(limit, 3))
  let graph = rewriter.finish()
  #expect(graph.verify() == [])
  #expect(graph.order.count == max(2 - limit, 0))
}

@Test func symbolsBind() {
  let type = ValueType(.f32, [.symbol("n"), 3, .unknown])
  #expect(type.concrete == nil)
  #expect(type.binding(["n": 2, "m": 1]).text == "f32[2,3,?]")
  #expect(type.binding(["n": 2, "": 1]).concrete == TensorType(.f32, [2, 3, 1]))
}
