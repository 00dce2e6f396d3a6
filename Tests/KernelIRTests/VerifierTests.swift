import KernelIR
import Support
import Tensors
import TestSupport
import Testing

/// A kernel's text with one rule broken, and what the verifier says of it.
struct Violation: CustomTestStringConvertible, Sendable {
  let expected: String
  let text: String

  init(_ expected: String, _ text: String) {
    self.expected = expected
    self.text = text
  }

  var testDescription: String { expected }
}

private let violations: [Violation] = [
  Violation("K1: axis i0 'n' has extent -1", "map f32 { axes n = -1 post { r0 = float 1.0 return r0 } }"),
  Violation(
    "K1: the axes have more than 2^62 points",
    "map f32 { axes a = 4294967296, b = 0, c = 4294967296 post { r0 = float 1.0 return r0 } }"),
  Violation(
    "K1: f32[2305843009213693952] is too large",
    "map f32 { axes a = 2305843009213693952 post { r0 = float 1.0 return r0 } }"),
  Violation("K2: contract has 1 operands, needs 2", "contract i32 { operand i8[] at [] }"),
  Violation(
    "K2: gather has 3 operands, needs 2",
    "gather 0 i8 { operand i8[1] at [0] operand i32[] at [] operand i32[] at [] }"),
  Violation("K2: the result's type i64 does not fit", "map i64 { post { r0 = integer 1 return r0 } }"),
  Violation("K2: operand 0: u32 does not fit a register", "reduce sum i32 { operand u32[] at [] }"),
  Violation("K2: operand 0: i8[-1] is not a bounded type", "reduce sum i32 { operand i8[-1] at [0] }"),
  Violation("K2: operand 0: 1 maps for i8[2,2]", "reduce sum i32 { operand i8[2,2] at [0] }"),
  Violation("K2: operand 0: there is no axis i1", "reduce sum i32 { axes n = 2 operand i8[2] at [i1] }"),
  Violation(
    "K2: operand 0: coordinate 4611686018427387904*i0 + 1 reaches 2^62",
    "reduce sum i32 { axes n = 2 operand i8[2] at [4611686018427387904*i0 + 1] skip }"),
  Violation(
    "K2: operand 1 is for the post-program, but depends on reduction axis i0",
    "reduce sum i32 { axes k = 2 reduce operand i8[2] at [i0] operand i8[2] at [i0] }"),
  Violation(
    "K3: operand 0 reads -1…2 of dimension 0, which has extent 4",
    "reduce sum i32 { axes n = 4 operand i8[4] at [i0 - 1] }"),
  Violation(
    "K3: operand 0 reads 0…6 of dimension 0, which has extent 6",
    "reduce sum i32 { axes n = 4 operand i8[6] at [2*i0] }"),
  Violation(
    "K3: operand 0: fill 128 is not a value of i8", "reduce sum i32 { operand i8[1] at [1] fill 128 }"),
  Violation(
    "K3: operand 0: fill 1036831949 is not a value of bf16",
    "reduce sum f32 { operand bf16[1] at [1] fill 0.1 }"),
  Violation(
    "K3: operand 0 of map may not skip",
    "map i8 { operand i8[1] at [0] skip post { r0 = operand 0 return r0 } }"),
  Violation(
    "K3: operand 2 of contract may not skip",
    "contract i32 { operand i8[] at [] operand i8[] at [] operand i8[] at [] skip }"),
  Violation(
    "K4: pre-program of operand 0: P3: r1: exp is not defined on (i32)",
    "reduce sum f32 { operand i8[] at [] pre { r0 = input; r1 = exp r0; return r1 } }"),
  Violation(
    "K4: pre-program of operand 0: P2: r0 reads operand 0",
    "reduce sum i32 { operand i8[] at [] pre { r0 = operand 0; return r0 } }"),
  Violation("K4: post-program: P2: r0 reads an input where there is none", "map i8 { }"),
  Violation(
    "K4: post-program: P2: r0 reads operand 1",
    "contract i32 { operand i8[] at [] operand i8[] at [] post { r0 = operand 1 return r0 } }"),
  Violation(
    "K4: post-program: P2: r1 reads table 0 of 0",
    "map i8 { post { r0 = integer 1 r1 = table 0 r0 return r1 } }"),
  Violation(
    "K4: post-program: P1: r0 reads r1, which is not defined before it",
    "map i8 { post { r0 = negate r1 r1 = integer 1 return r0 } }"),
  Violation("K4: post-program: the result r1 is not defined", "map i8 { post { r0 = integer 1 return r1 } }"),
  Violation(
    "K4: post-program: P3: r2: add is not defined on (i32, f32)",
    "map i8 { post { r0 = integer 1 r1 = float 1.0 r2 = add r0 r1 return r2 } }"),
  Violation(
    "K4: post-program: P4: r1: bounds 2…1 are empty",
    "map i8 { post { r0 = float 1.0 r1 = quantize r0 scale r0 zero 0 in 2 1 return r1 } }"),
  Violation(
    "K4: post-program: P4: r1: i64 does not fit a register",
    "map i8 { post { r0 = integer 1 r1 = convert i64 r0 return r1 } }"),
  Violation(
    "K4: the result f32 is not of the kind of i8", "map i8 { post { r0 = float 1.0 return r0 } }"),
  Violation(
    "K4: move has no programs",
    "move i8 { axes n = 1 operand i8[1] at [i0] box [0:1] post { r0 = integer 1 return r0 } }"),
  Violation(
    "K5: factor 1 is f32, the accumulation is i32",
    """
    contract i32 {
      operand i8[] at []
      operand i8[] at [] pre { r0 = input; r1 = toFloat r0; return r1 }
    }
    """),
  Violation(
    "K5: factor 1 is i32, the accumulation is f32", "contract f32 { operand f32[] at [] operand i8[] at [] }"),
  Violation(
    "K5: FP8 factor 0 has a pre-program",
    "contract f32 { operand f8e4m3[] at [] pre { r0 = input; r1 = exp r0; return r1 } operand f8e4m3[] at [] }"
  ),
  Violation(
    "K6: map has reduction axis i0", "map i8 { axes k = 2 reduce post { r0 = integer 1 return r0 } }"),
  Violation(
    "K6: scatter has 0 reduction axes",
    "scatter 0 i8 { axes n = 1 operand i8[1] at [i0] operand i32[] at [] operand i8[] at [] }"),
  Violation(
    "K6: reduce has split axis i0", "reduce sum i8 { axes k = 2 split operand i8[2] at [i0] }"),
  Violation(
    "K6: there are 2 split axes",
    "contract f32 { axes a = 2 split, b = 2 split operand f32[2] at [i0] operand f32[2] at [i1] }"),
  Violation(
    "K6: split axis i0 has extent 17, allowed is 16",
    "contract f32 { axes a = 17 split operand f32[17] at [i0] operand f32[] at [] }"),
  Violation(
    "K6: split axis i1 is not the outermost",
    "contract f32 { axes k = 2 reduce, a = 2 split operand f32[2] at [i0] operand f32[2] at [i1] }"),
  Violation(
    "K7: operand 0 of reduce has a box", "reduce sum i8 { axes n = 1 operand i8[1] at [i0] box [0:1] }"),
  Violation(
    "K7: the box of operand 0 does not lie in i8[2]", "move i8 { axes n = 2 operand i8[3] at [i0] box [0:3] }"
  ),
  Violation(
    "K7: the box of operand 0 does not lie in i8[2]", "move i8 { axes n = 2 operand i8[3] at [i0] }"),
  Violation(
    "K7: operand 0 is u8[2], the result i8[2]", "move i8 { axes n = 2 operand u8[2] at [i0] box [0:2] }"),
  Violation(
    "K7: the boxes of operands 0 and 1 overlap",
    "move i8 { axes n = 3 operand i8[3] at [i0] box [0:2] operand i8[3] at [i0] box [1:2] }"),
  Violation(
    "K7: the boxes cover 2 of 3 elements",
    "move i8 { axes n = 3 operand i8[3] at [i0] box [0:1] operand i8[3] at [i0] box [2:3] }"),
  Violation("K7: the boxes cover 0 of 1 elements", "move i8 { }"),
  Violation(
    "K8: indices are i8[2], allowed is i32",
    "gather 0 i8 { axes n = 2 operand i8[4] at [0] operand i8[2] at [i0] }"),
  Violation("K8: operand 0 has no dimension 1", "gather 1 i8 { operand i8[4] at [0] operand i32[] at [] }"),
  Violation(
    "K8: the replaced coordinate is mapped by i0, not 0",
    "gather 0 i8 { axes n = 2 operand i8[4] at [i0] operand i32[2] at [i0] }"),
  Violation(
    "K8: operand 0 is u8[4], the result i8[]", "gather 0 i8 { operand u8[4] at [0] operand i32[] at [] }"),
  Violation(
    "K8: operand 1 of gather must stay within its bounds",
    "gather 0 i8 { operand i8[4] at [0] operand i32[1] at [1] fill 0 }"),
  Violation(
    "K8: the result has no dimension 1",
    "scatter 1 i8 { axes n = 2, u = 1 reduce operand i8[2] at [i0] operand i32[1] at [i1] operand i8[1] at [i1] }"
  ),
  Violation(
    "K8: operand 0 depends on the axis of the updates",
    "scatter 0 i8 { axes n = 2, u = 1 reduce operand i8[2] at [i0 + i1] operand i32[1] at [i1] operand i8[] at [] }"
  ),
  Violation(
    "K8: operand 2 depends on axis i0, which the indices replace",
    "scatter 0 i8 { axes n = 2, u = 1 reduce operand i8[2] at [i0] operand i32[1] at [i1] operand i8[2] at [i0] }"
  ),
  Violation("K9: table 0 has 0 entries", "reduce sum i32 { operand i8[] at [] table from 0 i32 [] }"),
  Violation(
    "K9: table 0 has 2 entries from 2147483647 on",
    "reduce sum i32 { operand i8[] at [] table from 2147483647 i32 [1, 2] }"),
]

@Test(arguments: violations)
func kernelRuleIsHeld(_ violation: Violation) throws {
  let kernel = try Kernel(text: violation.text)
  let findings = kernel.verify()
  #expect(findings.first?.message.hasPrefix(violation.expected) == true, "\(findings)")
  #expect(findings.allSatisfy { $0.kind == .invalidKernel })
}

/// The texts above are broken in one place only, so that what is right must stay accepted.
@Test func soundNeighboursOfViolationsVerify() throws {
  for text in [
    "reduce sum i32 { axes n = 4 operand i8[7] at [2*i0] }",
    "reduce sum i32 { axes n = 4, k = 0 reduce operand i8[1] at [9*i1] }",
    "contract f32 { axes a = 16 split operand f32[16] at [i0] operand f32[] at [] }",
    "move i8 { axes n = 3 operand i8[3] at [i0] box [0:2] operand i8[1] at [2 - i0] box [2:3] }",
    "move i8 { operand i8[] at [] }",
    "reduce sum i32 { operand i8[] at [] table from 2147483647 i32 [1] }",
  ] {
    #expect(try Kernel(text: text.replacing("2 - i0", with: "-1*i0 + 2")).verify().isEmpty, "\(text)")
  }
}

private let graphViolations: [Violation] = [
  Violation(
    "K10: there is no buffer $7", "node \"n\" ($7) map f32 { post { r0 = float 1.0 return r0 } } return $1"),
  Violation("K10: output $9 does not exist", "\(scalar("f32", "1.0")) return $9"),
  Violation("K11: $1 is not defined before its use", "node \"n\" ($1) view return $1"),
  Violation("K11: $1 is not defined", "undefined return $1"),
  Violation(
    "K12: the kernel does not state the types of its buffers: i8[], f32[]",
    "node \"n\" ($0) \(mapping("f32[]")) return $1"),
  Violation(
    "K12: the kernel does not state the types of its buffers: f32[]", "\(scalar("i8", "1")) return $1"),
  Violation("K13: f32[] is not a view of i8[]", "node \"n\" ($0) view return $1"),
  Violation("K13: f32[] is not a view of i8[], i8[]", "node \"n\" ($0, $0) view return $1"),
  Violation("K14: $2 is numbered out of order", "\(scalar("f32", "1.0")) $2: i8[] = constant [1] return $1"),
  Violation("K15: input $2 has no name of its own: 'x'", "constant [1.0] $2 \"x\": i8[] = input return $1"),
  Violation("K15: i8[-1] of $2 is not a bounded type", "constant [1.0] $2: i8[-1] = undefined return $1"),
  Violation("K16: sources [2, 1] do not ascend", "node \"n\" from [2, 1] () \(body("f32", "1.0")) return $1"),
  Violation("P2: r0 reads an input", "node \"n\" () map f32 { } return $1"),
]

private func body(_ element: String, _ value: String) -> String {
  "map \(element) { post { r0 = \(element == "f32" ? "float" : "integer") \(value) return r0 } }"
}
private func scalar(_ element: String, _ value: String) -> String { "node \"n\" () \(body(element, value))" }
private func mapping(_ type: String) -> String {
  "map f32 { operand \(type) at [] post { r0 = operand 0 return r0 } }"
}

@Test(arguments: graphViolations)
func graphRuleIsHeld(_ violation: Violation) throws {
  let text = "kernels \"g\" { $0 \"x\": i8[] = input $1: f32[] = \(violation.text) }"
  let findings = try KernelGraph(text: text).verify()
  #expect(findings.contains { $0.message.contains(violation.expected) }, "\(findings)")
}

@Test func constantOfAnotherTypeIsFound() throws {
  var graph = KernelGraph(name: "g")
  let tensor = try integers(.i8, [1], [1])
  graph.buffers.append(Buffer(name: "", type: TensorType(.u8, [1]), definition: .constant(tensor)))
  #expect(graph.verify().map(\.message) == ["K15: $0 is u8[1], its constant i8[1]"])
}

@Test func evaluatorRefusesBrokenKernelsAndOtherArguments() throws {
  let broken = try Kernel(text: "map i8 { }")
  expect(.invalidKernel) { try KernelEvaluator.run(broken, []) }
  let sum = try Kernel(text: "reduce sum i32 { operand i8[] at [] }")
  expect(.invalidKernel) { try KernelEvaluator.run(sum, [integers(.i8, [1], [1])]) }
  let graph = try KernelGraph(text: "kernels \"g\" { $0 \"x\": i8[] = input return $0 }")
  expect(.invalidOperand) { try graph.evaluate(named: [:]) }
  #expect(try graph.evaluate(named: ["x": integers(.i8, [], [3])]) == [integers(.i8, [], [3])])
}
