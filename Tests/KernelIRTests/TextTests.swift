import KernelIR
import Support
import Tensors
import TestSupport
import Testing

@Test(arguments: Seed.all)
func randomGraphsRoundTrip(seed: Seed) throws {
  var random = seed.random
  var named = 0
  for _ in 0..<300 {
    let graph = try RandomKernelGraph.make(using: &random).graph
    try #require(graph.verify().isEmpty, "\(graph.verify()) \(graph)")
    let constants = graph.namedConstants
    named += constants.count
    let copy = try KernelGraph(text: graph.text, constants: { constants[$0] })
    try #require(copy == graph)
    try #require(copy.text == graph.text)
    try #require(graph.canonical == graph)
  }
  #expect(named > 50)
}

@Test func textIsReadable() throws {
  let text = """
    kernels "net" {
      $0 "x": i8[1,4] = input
      $1 "w": i8[2,4] = constant [1, 2, 3, 4, 5, 6, 7, 8]
      $2: i32[1,2] = node "fc" from [0, 1] ($0, $1) contract i32 {
        axes m = 1, "n axis" = 2, k = 4 reduce
        operand i8[1,4] at [i0, i2] fill 3 pre { r0 = input; r1 = integer 3; r2 = subtract r0 r1; return r2 }
        operand i8[2,4] at [i1, i2]
        table from -1 f32 [0.5, -0.0, 0x7fc00000]
        post {
          r0 = input
          r1 = integer 1073741824
          r2 = integer 31
          r3 = requant r0 multiplier r1 shift r2 zero -1 in -128 127
          return r3
        }
      }
      $3 "y": i32[2] = node "flatten" from [2] ($2) view
      $4: i32[2] = node "" ($3) move i32 {
        axes a = 2
        operand i32[2] at [-1*i0 + 1] box [0:2]
      }
      return $3, $4
    }

    """
  let graph = try KernelGraph(text: text)
  #expect(graph.text == text)
  #expect(graph.verify().isEmpty)
}

@Test func largeConstantsAreNamedByDigest() throws {
  var graph = KernelGraph(name: "g")
  let small = try integers(.i8, [64], [Int32](repeating: 1, count: 64))
  let large = try integers(.i8, [65], [Int32](repeating: 1, count: 65))
  graph.outputs = [graph.constant(small), graph.constant(large)]
  #expect(graph.text.contains("$1: i8[65] = constant #\(large.digest)\n"))
  #expect(graph.namedConstants == [large.digest: large])
  expect(.syntax) { try KernelGraph(text: graph.text) }
  let other = small
  expect(.syntax) { try KernelGraph(text: graph.text, constants: { _ in other }) }
  #expect(try KernelGraph(text: graph.text, constants: { [large.digest: large][$0] }) == graph)
}

@Test(arguments: [
  ("map f32 {", "line 1: expected '}', found end of text"),
  ("map f99 {}", "expected an element type"), ("fold f32 {}", "expected a form of kernel"),
  ("reduce mean f32 {}", "expected a reduction"),
  ("map f32 { post { r1 = input return r1 } }", "expected the definition of r0"),
  ("map f32 { post { r0 = cosh r0 return r0 } }", "expected a step"),
  ("move i8 { operand i8[] at [] box [2:1] }", "expected a range whose start is not above its end"),
  ("map f32 { operand f32[1] at [9223372036854775807 + 1] }", "expected an offset within 64 bits"),
  ("map f32 { operand f32[1] at [9223372036854775807*i0 + i0] }", "expected a coefficient within 64 bits"),
  ("map f32 {}\n{", "line 2: expected end of text"),
])
func malformedTextIsLocated(_ text: String, _ message: String) {
  do {
    _ = try Kernel(text: text)
    Issue.record("'\(text)' was parsed")
  } catch {
    #expect("\(error)".contains(message), "\(error)")
  }
}

/// Damaged text is refused or gives a kernel that verification judges; nothing traps.
@Test(arguments: Seed.all)
func damagedTextNeverTraps(seed: Seed) throws {
  var random = seed.random
  let tokens = [
    "-1", "9223372036854775807", "-9223372036854775808", "i4294967295", "r7", "{", "]", "0", "skip", "",
  ]
  var accepted = 0
  for round in 0..<1500 {
    let form = RandomKernel.Form.allCases[round % 6]
    let kernel = try RandomKernel.make(form: form, using: &random).kernel
    var words = kernel.text.split(separator: " ", omittingEmptySubsequences: false).map(String.init)
    for _ in 0..<Int.random(in: 1...2, using: &random) {
      let place = Int.random(in: 0..<words.count, using: &random)
      words[place] =
        Bool.random(using: &random)
        ? tokens[Int.random(in: 0..<tokens.count, using: &random)]
        : words[Int.random(in: 0..<words.count, using: &random)]
    }
    guard let damaged = try? Kernel(text: words.joined(separator: " ")) else { continue }
    accepted += damaged.verify().isEmpty ? 1 : 0
  }
  #expect(accepted > 10)
}
