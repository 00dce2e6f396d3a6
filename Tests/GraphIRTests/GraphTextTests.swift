import GraphIR
import Support
import Tensors
import TestSupport
import Testing

/// Everything that the text form can say.
private let source = #"""
  graph "g\22" {
    %0 "x": f32[n,3,"batch size",?] = input
    %1 "w": i8[2,3] q(axis 0: [0.5, 0.25], [0, 0]) = constant [1, -1, 2, 127, -128, 0]
    %2: f64[2] = constant [1.0, 0x7ff8000000000000]
    %3: bf16[2] = constant [1.0, 0x7fc0]
    %4: u64[1] = constant [18446744073709551615]
    %5: bool[0] = constant []
    %6: i64[] = constant [-9223372036854775808]
    %7 "y": u8[n,2] q(0.1, 128) = Conv "conv 1" (%0, %1, %none) {alpha = 1e+20, axes = [1, -1], empty = ints [], "a b" = "text\5c", scales = [0.5, 0x7fc00000], t = tensor f32[2] [0.0, -0.0], names = ["a", ""], none = floats [], words = strings []} from [0, 7]
    %8: f32[1], %9 "z": f32[1] = "com.example":"input" (%7, %6) from [9] with (graph "then" {
      %0: f32[1] = input
      return %0
    }
    , graph "else" {
      %0: f32[1] = constant [1.0]
      return %0
    }
    )
    return %7, %9
  }

  """#

@Test func everythingRoundTrips() throws {
  let graph = try Graph(text: source)
  #expect(graph.text == source)
  #expect(try Graph(text: graph.text) == graph)
  #expect(graph.verify() == [])
}

@Test func largeConstantsAreFoundByDigest() throws {
  var builder = GraphBuilder(name: "big")
  let tensor = try Tensor(TensorType(.i32, [65]), (0..<65).map(Int32.init))
  let constant = builder.constant(tensor, name: "c")
  let node = Node("Identity", [Attribute("t", .tensor(tensor))])
  let result = builder.node(node, [constant], ValueType(tensor.type))
  let graph = builder.finish(returning: [result])
  #expect(graph.text.contains("constant #\(tensor.digest)\n"))
  #expect(try Graph(text: graph.text, constants: graph.constantPool) == graph)
  #expect(throws: Diagnostic.self) { try Graph(text: graph.text) }
}

@Test(arguments: [
  "graph \"g\" { %0: f32[9223372036854775807,4] = constant [] return %0 }",
  "graph \"g\" { %0: bool[1] = constant [2] return %0 }",
  "graph \"g\" { %0: f32[n] = constant [1.0] return %0 }",
  "graph \"g\" { %0: f32[1] = Relu (%1) return %0 }",
  "graph \"g\" { %0: f32[1], %1: f32[1] = input return %0 }",
  "graph \"g\" { %0: f32[1] = input return %0",
  "graph \"g\" { %0: f32[1] = input %0: f32[1] = input return %0 }",
  "graph \"g\" { %0: i8[1] q(0.5) = input return %0 }",
  "graph \"g\" { %0: f16[1] = constant [x] return %0 }",
])
func malformedTextIsRefused(text: String) { #expect(throws: Diagnostic.self) { try Graph(text: text) } }

/// Random texts made of the tokens of a good one neither trap nor parse into what does not round-trip.
@Test(arguments: Seed.all)
func shuffledTextIsParsedOrRefused(seed: Seed) throws {
  var random = seed.random
  let tokens = source.split(separator: " ").map(String.init)
  for _ in 0..<300 {
    var copy = tokens
    for _ in 0..<3 {
      let index = Int.random(in: copy.indices, using: &random)
      copy[index] = tokens[Int.random(in: tokens.indices, using: &random)]
    }
    if let graph = try? Graph(text: copy.joined(separator: " ")) {
      #expect(try Graph(text: graph.text) == graph)
    }
  }
}
