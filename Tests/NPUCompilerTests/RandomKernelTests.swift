import Executor
import KernelIR
import Machine
import NPUChecker
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

/// The evaluator, the executor, and the compiled kernel in every mode of the interpreter: equal bytes, equal
/// cycles, nothing found. At least 1,000 of each form compile; what the machine refuses is counted.
@Test(arguments: RandomKernel.Form.allCases)
func everyWayToRunAKernelAgrees(form: RandomKernel.Form) throws {
  let target = try Targets.builtin("tiny-npu").machine
  var random = SeededRandom(seed: 11)
  var (compiled, refused) = (0, 0)
  for number in 0..<1100 {
    let (kernel, arguments) = try RandomKernel.make(form: form, integerTarget: true, using: &random)
    guard let expected = try? KernelEvaluator.run(kernel, arguments) else { continue }
    let (graph, inputs) = single(kernel, arguments, using: &random)
    let executor = try KernelExecutor(graph, .init(threads: 1 + number % 2))
    let executed = try executor.run(graph.inputs.compactMap { inputs[graph.buffers[$0].name] })
    #expect(executed == [expected], "\(number): executor: \(graph.text)")
    guard NPUCompiler.refusal(of: graph.nodes[KernelID(rawValue: 0)], in: graph, on: target) == nil else {
      refused += 1
      continue
    }
    var options = NPUCompiler.Options()
    options.weights = number % 2 == 0 ? .auto : .streamed
    options.effort = [1, 4, 16][number % 3]
    guard let program = compiling(graph, target, options) else {
      refused += 1
      continue
    }
    let findings = NPUChecker.check(program, on: target)
    #expect(findings.isEmpty, "\(number): checker: \(findings.prefix(2)) \(graph.text)")
    for mode in [NPUInterpreter.Mode.strict, .fast, .jitter(seed: UInt64(number))] {
      var interpreter = try NPUInterpreter(program, on: target, mode: mode)
      let load = try interpreter.load()
      let result = try interpreter.run(inputs: inputs)
      #expect(load.findings.isEmpty && result.findings.isEmpty, "\(number): \(result.findings.prefix(2))")
      #expect(result.outputs["y"] == expected, "\(number) \(mode): \(graph.text)")
      for (entry, counts) in zip(result.timeline, result.stageCounts) {
        let instruction = program.run.contexts[entry.context][entry.position]
        guard let counts, case .tensor(let tensor) = instruction.body else { continue }
        let context = Context(index: entry.context)
        let stages = tensor.stages(on: target, context: context, programs: program.programs)
        #expect(counts.agrees(with: stages), "\(number): \(counts) \(stages)")
      }
      guard mode == .strict || mode == .fast else { continue }
      #expect(result.ticks == program.predictedRunTicks, "\(number) \(mode)")
    }
    compiled += 1
  }
  print("\(form): \(compiled) compiled, \(refused) refused")
  #expect(compiled >= 1000)
}

/// Nil where the kernel does not fit the machine.
private func compiling(
  _ graph: KernelGraph, _ target: SliceMachine, _ options: NPUCompiler.Options
) -> NPUProgram? {
  do { return try NPUCompiler.compile(graph, on: target, options).program } catch {
    #expect(error.kind == .doesNotFit, "\(error)")
    return nil
  }
}
