import KernelIR
import Support
import Tensors
import TestSupport
import Testing

/// Every generated kernel verifies, evaluates, and reads back from its text with the same bytes.
@Test(arguments: Seed.all, RandomKernel.Form.allCases)
func randomKernelsVerifyRunAndRoundTrip(seed: Seed, form: RandomKernel.Form) throws {
  var random = seed.random
  for round in 0..<300 {
    let (kernel, arguments) = try RandomKernel.make(
      form: form, integerTarget: round.isMultiple(of: 3), using: &random)
    try #require(kernel.verify().isEmpty, "\(kernel.verify()) \(kernel)")
    let copy = try Kernel(text: kernel.text)
    try #require(copy == kernel, "\(kernel)\n\(copy)")
    try #require(copy.text == kernel.text)
    let result = try KernelEvaluator.run(kernel, arguments)
    try #require(result.type == kernel.result)
  }
}

@Test func randomKernelsDependOnTheSeedAlone() throws {
  for form in RandomKernel.Form.allCases {
    var (first, second) = (SeededRandom(seed: 7), SeededRandom(seed: 7))
    for _ in 0..<20 {
      let (a, b) = (
        try RandomKernel.make(form: form, using: &first), try RandomKernel.make(form: form, using: &second)
      )
      #expect(a.kernel == b.kernel && a.arguments == b.arguments)
    }
  }
}

/// The restriction to an int8 machine holds for what programs compute, too.
@Test(arguments: Seed.all)
func integerTargetsSeeNoOtherTypes(seed: Seed) throws {
  var random = seed.random
  for form in RandomKernel.Form.allCases {
    for _ in 0..<100 {
      let kernel = try RandomKernel.make(form: form, integerTarget: true, using: &random).kernel
      let allowed: [ElementType] = [.i8, .i32, .f32]
      let elements = kernel.operands.map(\.type.element) + [kernel.element]
      #expect(elements.allSatisfy { allowed.contains($0) }, "\(kernel)")
    }
  }
}
