import Foundation
import KernelIR
import Machine
import NPUCompiler
import NPUISA
import NPUInterpreter
import Support
import TargetFiles
import Tensors
import TestSupport
import Testing

/// A graph of one kernel: every argument an input or, where a coin says so, a constant.
private func single(
  _ kernel: Kernel, _ arguments: [Tensor], using random: inout SeededRandom
) -> (graph: KernelGraph, inputs: [String: Tensor]) {
  var graph = KernelGraph(name: "one")
  var inputs: [String: Tensor] = [:]
  var isConstant = arguments.map { _ in Int.random(in: 0..<2, using: &random) == 0 }
  if case .contract = kernel.form, Int.random(in: 0..<4, using: &random) > 0 { isConstant[0] = false }
  var buffers = [BufferID](repeating: .none, count: arguments.count)
  for (index, tensor) in arguments.enumerated() where !isConstant[index] {
    buffers[index] = graph.input("x\(index)", tensor.type)
    inputs["x\(index)"] = tensor
  }
  for (index, tensor) in arguments.enumerated() where isConstant[index] {
    buffers[index] = graph.constant(tensor)
  }
  graph.outputs = [graph.kernel(kernel, buffers, node: "one", name: "y")]
  return (graph, inputs)
}

/// The evaluator, and the compiled kernel on the interpreter: equal bytes, predicted cycles, nothing found.
@Test(arguments: RandomKernel.Form.allCases)
func compiledKernelsEqualTheEvaluator(form: RandomKernel.Form) throws {
  let target = try Targets.builtin("tiny-npu").machine
  var random = SeededRandom(seed: 11)
  var (compiled, refused) = (0, 0)
  for number in 0..<(Int(ProcessInfo.processInfo.environment["FURC_CASES"] ?? "") ?? 200) {
    let (kernel, arguments) = try RandomKernel.make(form: form, integerTarget: true, using: &random)
    let (graph, inputs) = single(kernel, arguments, using: &random)
    guard NPUCompiler.refusal(of: graph.nodes[KernelID(rawValue: 0)], in: graph, on: target) == nil else {
      refused += 1
      continue
    }
    var options = NPUCompiler.Options()
    options.weights = number % 2 == 0 ? .auto : .streamed
    options.effort = [1, 4, 16][number % 3]
    let program: NPUProgram
    do { program = try NPUCompiler.compile(graph, on: target, options) } catch {
      refused += 1
      continue
    }
    let expected: Tensor
    do { expected = try KernelEvaluator.run(kernel, arguments) } catch { continue }
    do {
      var interpreter = try NPUInterpreter(program, on: target, mode: .strict)
      let load = try interpreter.load()
      let result = try interpreter.run(inputs: inputs)
      #expect(load.findings.isEmpty && result.findings.isEmpty, "\(number): \(result.findings.prefix(2))")
      #expect(result.outputs["y"] == expected, "\(number): \(graph.text) \(result.outputs["y"]!.bytes.prefix(8).map { $0 }) \(expected.bytes.prefix(8).map { $0 })")
      #expect(result.ticks == program.predictedRunTicks, "\(number)")
      compiled += 1
    } catch { Issue.record("\(number): \(error)") }
  }
  print("\(form): \(compiled) compiled, \(refused) refused")
  #expect(compiled >= 9 * refused)
}
