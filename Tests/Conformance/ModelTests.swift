import Executor
import Foundation
import Furc
import GraphIR
import Machine
import NPUISA
import NPUInterpreter
import Quantization
import Support
import TargetFiles
import Tensors
import Testing

/// Compiled models: what the binary computes, how long it takes, and that it is safe.
struct ModelTests {
  private let session = Session()

  /// Those that the compiler's tests afford.
  static let models = ModelFile.named("digits_cnn", "resnet8_fp32", "resnet8_int8_qdq")

  @Test(arguments: models, ["warboy", "warboy-2pe"])
  func compiledModelsAreProved(_ model: ModelFile, _ target: String) throws {
    let loaded = try Model.load(model.path("onnx"), batch: 1, session)
    let isFloat = !model.stem.contains("qdq")
    var options = CompileOptions()
    options.quantization.calibration = isFloat ? .file(model.path("calibration.npz")) : .random(4)
    let compilation = try session.compile(loaded, for: try Targets.builtin(target), options)
    var verify = VerifyOptions()
    verify.jitterSeeds = [1]
    verify.samples = 2
    verify.labelled = .init(path: model.path("labelled.npz"), labels: "label")
    verify.rows = model.stem == "digits_cnn" ? 300 : 60
    let result = try session.verify(compilation, calibration: options.quantization.calibration, verify)
    for failure in result.failures { Issue.record("\(failure)") }
    #expect(result.isBitExact && result.isClean)
    #expect(result.predictedCycles == result.executedCycles && result.executedCycles > 0)
    for program in compilation.compiled.devices {
      try closedFormsAreCounted(program, on: try Targets.builtin(target).machine)
    }
    let accuracy = try #require(result.accuracy)
    #expect(accuracy.quantized > accuracy.float - 0.05, "\(accuracy)")
  }

  /// What the strict interpreter counts for each tensor instruction is what its closed form says.
  private func closedFormsAreCounted(_ program: NPUProgram, on machine: SliceMachine) throws {
    var inputs: [String: Tensor] = [:]
    for port in program.inputs {
      inputs[port.name] = try Tensor(port.type) { index in
        port.type.element.isFloat ? .f32(Float(index % 7)) : .i32(Int32(index % 7))
      }
    }
    var interpreter = try NPUInterpreter(program, on: machine, mode: .strict)
    let result = try interpreter.run(inputs: inputs)
    var compared = 0
    for (entry, counts) in zip(result.timeline, result.stageCounts) {
      guard let counts, case .tensor(let tensor) = program.run.contexts[entry.context][entry.position].body
      else { continue }
      let stages = tensor.stages(
        on: machine, context: Context(index: entry.context), programs: program.programs)
      #expect(counts.agrees(with: stages), "\(entry)")
      compared += 1
    }
    #expect(compared > 0)
  }
}
