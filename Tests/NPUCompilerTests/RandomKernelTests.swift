import KernelIR
import Machine
import NPUCompiler
import NPUISA
import Support
import TargetFiles
import Tensors
import TestSupport
import Testing

/// A graph of one kernel: every argument an input or, where a coin says so, a constant.
func graph(of kernel: Kernel, _ arguments: [Tensor], using random: inout SeededRandom) -> (KernelGraph, [String: Tensor]) {
  var graph = KernelGraph(name: "one")
  var inputs: [String: Tensor] = [:]
  var isConstant = arguments.map { _ in Int.random(in: 0..<2, using: &random) == 0 }
  if case .contract = kernel.form, Int.random(in: 0..<4, using: &random) > 0 { isConstant[0] = false }
  var buffers = [BufferID](repeating: .none, count: arguments.count)
  for (index, tensor) in arguments.enumerated() where !isConstant[index] {
    buffers[index] = graph.input("x\(index)", tensor.type)
    inputs["x\(index)"] = tensor
  }
  for (index, tensor) in arguments.enumerated() where isConstant[index] { buffers[index] = graph.constant(tensor) }
  graph.outputs = [graph.kernel(kernel, buffers, node: "one", name: "y")]
  return (graph, inputs)
}

@Test(arguments: RandomKernel.Form.allCases)
func randomKernelsCompile(form: RandomKernel.Form) throws {
  let target = try Targets.builtin("tiny-npu").machine
  var random = SeededRandom(seed: 11)
  var refused: [String: Int] = [:]
  var failed: [String: Int] = [:]
  for _ in 0..<200 {
    let (kernel, arguments) = try RandomKernel.make(form: form, integerTarget: true, using: &random)
    let (graph, _) = graph(of: kernel, arguments, using: &random)
    if let reason = NPUCompiler.refusal(of: graph.nodes[KernelID(rawValue: 0)], in: graph, on: target) {
      refused[reason, default: 0] += 1
      continue
    }
    do {
      let program = try NPUCompiler.compile(graph, on: target)
      for (index, list) in program.run.contexts.enumerated() {
        for instruction in list {
          let findings = instruction.check(on: target, context: Context(index: index), programs: program.programs)
          #expect(findings.isEmpty, "\(findings) \(instruction)")
        }
      }
    } catch { failed["\(error)", default: 0] += 1 }
  }
  print(form, "refused", refused.sorted { $0.value > $1.value }.prefix(8), "failed", failed.sorted { $0.value > $1.value }.prefix(8))
}
