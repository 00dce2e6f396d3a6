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

/// A model with its data: `<stem>.onnx`, `.case.npz`, `.labelled.npz`, `.calibration.npz`.
struct Case: CustomTestStringConvertible, Sendable {
  let folder: URL
  let stem: String
  var testDescription: String { stem }

  func path(_ ending: String) -> String { folder.appending(path: "\(stem).\(ending)").path }

  static let samples = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().appending(path: "Samples/models")

  /// That of the package, and those in the folder that `FURC_MODELS` names, or in `shared/models` beside the
  /// checkout, where they are there.
  static let all: [Case] = {
    let digits = Case(folder: samples.appending(path: "digits_cnn"), stem: "digits_cnn")
    let more =
      ProcessInfo.processInfo.environment["FURC_MODELS"].map { URL(filePath: $0) }
      ?? samples.appending(path: "../../../shared/models").standardizedFileURL
    let folder = more.appending(path: "ic_resnet8")
    guard FileManager.default.fileExists(atPath: folder.path) else {
      print("skipped: resnet8, since FURC_MODELS names no folder that has it")
      return [digits]
    }
    let others = ["resnet8_fp32", "resnet8_int8_qdq"].map { Case(folder: folder, stem: $0) }
    return [digits] + others
  }()

  var isFloat: Bool { !stem.contains("qdq") }
  /// Rows that a test affords.
  var rows: Int { stem == "digits_cnn" ? 300 : 60 }
}

struct ModelTests {
  private let session = Session()

  /// The runs of a case file: inputs and expected outputs.
  private func runs(_ model: Case, _ graph: Graph) throws -> [(inputs: InputSet, outputs: [Tensor])] {
    let archive = try NPZArchive(model.path("case.npz"))
    var runs: [(InputSet, [Tensor])] = []
    while archive.names.contains(where: { $0.hasPrefix("in\(runs.count).") }) {
      var inputs: InputSet = [:]
      for id in graph.inputs {
        let name = graph.values[id].name
        inputs[name] = try archive.tensor(named: "in\(runs.count).\(name)")
      }
      var outputs: [Tensor] = []
      for id in graph.outputs {
        outputs.append(try archive.tensor(named: "out\(runs.count).\(graph.values[id].name)"))
      }
      runs.append((inputs, outputs))
    }
    return runs
  }

  @Test(arguments: Case.all) func referenceAndFastGiveTheSameBytes(_ model: Case) throws {
    let loaded = try Model.load(model.path("onnx"), batch: 1, session)
    for graph in [loaded.graph, try session.optimized(loaded.graph)] {
      for run in try runs(model, graph).prefix(2) {
        let reference = try session.executor(graph, .reference).run(run.inputs).outputs
        let fast = try session.executor(graph, .fast).run(run.inputs).outputs
        for (wanted, found) in zip(reference, fast) {
          #expect(found.tensor == wanted.tensor, "\(wanted.name)")
        }
      }
    }
  }

  @Test(arguments: Case.all) func casesAreMetWithAndWithoutPasses(_ model: Case) throws {
    let loaded = try Model.load(model.path("onnx"), batch: 1, session)
    for graph in [loaded.graph, try session.optimized(loaded.graph)] {
      let all = try runs(model, graph)
      #expect(!all.isEmpty)
      for run in all {
        let outputs = try session.executor(graph).run(run.inputs).outputs
        for (found, wanted) in zip(outputs, run.outputs) {
          guard wanted.element.isFloat else {
            // Stored numbers of two implementations may be one step apart.
            let steps = zip(try found.tensor.int64Elements(), try wanted.int64Elements()).map { abs($0 - $1) }
            #expect(found.tensor.type == wanted.type && steps.allSatisfy { $0 <= 1 }, "\(found.name)")
            continue
          }
          #expect(Tolerance.models.excess(found.tensor, wanted) == nil, "\(found.name)")
        }
      }
    }
  }

  @Test(arguments: Case.all) func classesAgreeWithTheReference(_ model: Case) throws {
    let loaded = try Model.load(model.path("onnx"), batch: 1, session)
    let graph = try session.optimized(loaded.graph)
    let archive = try NPZArchive(model.path("labelled.npz"))
    let rows = try ArchiveSamples(archive, for: graph)
    let wanted = try archive.tensor(named: "reference").int64Elements()
    let executor = session.executor(graph)
    var apart = 0
    for index in 0..<rows.count {
      let outputs = try executor.run(try rows.sample(index)).outputs
      let scores = try #require(outputs.first?.tensor)
      if TopOne.classes(try scores.reshaped([scores.count])) != [wanted[index]] { apart += 1 }
    }
    #expect(rows.count >= 600 && apart <= rows.count / 300, "\(apart) of \(rows.count)")
  }

  @Test(arguments: Case.all, ["warboy", "warboy-2pe"])
  func compiledModelsAreProved(_ model: Case, _ target: String) throws {
    let loaded = try Model.load(model.path("onnx"), batch: 1, session)
    var options = CompileOptions()
    options.calibration = model.isFloat ? .file(model.path("calibration.npz")) : .random(4)
    let compilation = try session.compile(loaded, for: try Targets.builtin(target), options)
    var verify = VerifyOptions()
    verify.jitterSeeds = [1]
    verify.samples = 2
    verify.labelled = .init(path: model.path("labelled.npz"), labels: "label")
    verify.rows = model.rows
    let result = try session.verify(compilation, calibration: options.calibration, verify)
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
