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

/// What the checker lets pass is safe in the strict interpreter, which looks at every access by itself; and a
/// program with a wait less, if it passes, gives the same bytes under every timing.
@Test(arguments: Seed.all)
func checkerCatchesMutants(seed: Seed) throws {
  let target = try Targets.builtin("tiny-npu").machine
  var random = seed.random
  let unsafe: [Diagnostic.Kind] = [
    .undefinedRead, .unorderedAccess, .forbiddenWrite, .addressRange, .neverReached,
  ]
  var (caught, passed) = (0, 0)
  for number in 0..<120 {
    let form = RandomKernel.Form.allCases[number % RandomKernel.Form.allCases.count]
    let (kernel, arguments) = try RandomKernel.make(form: form, integerTarget: true, using: &random)
    guard let expected = try? KernelEvaluator.run(kernel, arguments) else { continue }
    var graph = KernelGraph(name: "one")
    var inputs: [String: Tensor] = [:]
    var buffers: [BufferID] = []
    for (index, tensor) in arguments.enumerated() {
      buffers.append(graph.input("x\(index)", tensor.type))
      inputs["x\(index)"] = tensor
    }
    graph.outputs = [graph.kernel(kernel, buffers, node: "one", name: "y")]
    guard NPUCompiler.refusal(of: graph.nodes[KernelID(rawValue: 0)], in: graph, on: target) == nil,
      let program = try? NPUCompiler.compile(graph, on: target, NPUCompiler.Options()).program
    else { continue }
    let bound = Bounds(graph, on: target, weights: .resident).binding
    #expect(
      Int(program.predictedRunTicks) >= bound.cycles * target.ticksPerCycle, "\(bound) \(graph.text)")
    for _ in 0..<12 {
      guard let mutant = Mutant.draw(from: program, using: &random) else { continue }
      guard NPUChecker.check(mutant.program, on: target).isEmpty else {
        caught += 1
        continue
      }
      passed += 1
      let modes: [NPUInterpreter.Mode] =
        mutant.kind == .waits ? [.strict] + (1...6).map { .jitter(seed: $0) } : [.strict]
      for mode in modes {
        // What depends on data (sums, rows of a list) may still fail.
        guard var interpreter = try? NPUInterpreter(mutant.program, on: target, mode: mode) else {
          Issue.record("\(seed) \(number) \(mutant.path): refused by the interpreter, not by the checker")
          continue
        }
        let load: [Diagnostic]
        let run: NPUInterpreter.RunResult
        do {
          load = try interpreter.load().findings
          run = try interpreter.run(inputs: inputs)
        } catch {
          #expect(!unsafe.contains(error.kind) && mutant.kind != .waits, "\(number) \(mutant.path): \(error)")
          continue
        }
        let found = (load + run.findings).filter { unsafe.contains($0.kind) }
        #expect(found.isEmpty, "\(number) \(mutant.path) \(mode): \(found.prefix(2))")
        if mutant.kind == .waits { #expect(run.outputs["y"] == expected, "\(number) \(mutant.path) \(mode)") }
      }
    }
  }
  #expect(caught > passed / 2 && passed > 50, "\(caught) caught, \(passed) passed")
}
