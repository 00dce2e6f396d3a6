import KernelIR
import Support
import Tensors
import TestSupport
import Testing

/// What the generator never makes, no differential test ever tries.
@Test func randomKernelsReachEveryFeature() throws {
  var random = SeededRandom(seed: 11)
  var seen: Set<String> = []
  var results = (varied: 0, all: 0)
  var largest = 0
  for _ in 0..<400 {
    for form in RandomKernel.Form.allCases {
      let (kernel, arguments) = try RandomKernel.make(form: form, using: &random)
      seen.formUnion(features(of: kernel))
      largest = max(largest, kernel.points)
      guard kernel.elements > 8 else { continue }
      let result = try KernelEvaluator.run(kernel, arguments)
      let first = result[0]
      results.all += 1
      results.varied += (1..<result.count).contains { result[$0] != first } ? 1 : 0
    }
  }
  var wanted = ["never", "fill", "skip", "table", "boxes", "rank 0", "rank 4", "empty", "split", "window"]
  wanted += [
    "requant", "quantize", "dequantize", "select", "fma", "convert", "pre", "broadcast", "stride", "reversed",
  ]
  wanted += Program.Unary.allCases.map(\.rawValue) + Program.Binary.allCases.map(\.rawValue)
  wanted += Kernel.Reduction.allCases.map(\.rawValue)
  wanted += [ElementType.i8, .u8, .i32, .i16, .i4, .bool, .f32, .bf16, .f16, .f8e4m3, .f8e5m2].map(\.rawValue)
  wanted += ["integer sum", "fp8 sum", "chain", "split chain"]
  #expect(wanted.filter { !seen.contains($0) } == [])
  #expect(largest > 10_000 && largest <= 60_000, "\(largest)")
  // Programs that clamp everything away would hide differences.
  #expect(results.varied * 4 > results.all * 3, "\(results)")
}

private func features(of kernel: Kernel) -> [String] {
  var features = ["rank \(kernel.result.shape.count)", kernel.element.rawValue]
  if kernel.elements == 0 { features.append("empty") }
  if !kernel.tables.isEmpty { features.append("table") }
  if kernel.form == .move, kernel.operands.count > 1 { features.append("boxes") }
  if case .reduce(let reduction) = kernel.form { features.append(reduction.rawValue) }
  if kernel.form == .contract {
    switch kernel.accumulation {
    case .integer: features.append("integer sum")
    case .fp8: features.append("fp8 sum")
    case .chain: features.append(kernel.axes(.split).isEmpty ? "chain" : "split chain")
    }
  }
  features += kernel.axes.ids.map { kernel.axes[$0].role.rawValue }
  for operand in kernel.operands {
    features.append(operand.type.element.rawValue)
    switch operand.outside {
    case .never: features.append("never")
    case .fill: features.append("fill")
    case .skip: features.append("skip")
    }
    if !operand.pre.isIdentity { features.append("pre") }
    let terms = operand.maps.flatMap(\.terms)
    if terms.contains(where: { $0.coefficient < 0 }) { features.append("reversed") }
    if terms.contains(where: { $0.coefficient > 1 }) { features.append("stride") }
    if terms.isEmpty, !kernel.result.shape.isEmpty { features.append("broadcast") }
  }
  // The name of a step is the first word of its text.
  for register in kernel.post.steps.ids {
    features.append(String(kernel.post.steps[register].text.prefix { $0 != " " }))
  }
  return features
}
