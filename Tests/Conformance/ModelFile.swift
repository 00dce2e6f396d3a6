import Executor
import Foundation
import Furc
import GraphIR
import Quantization
import Support
import Tensors
import Testing

/// A model with its data: `<stem>.onnx`, `.case.npz`, `.labelled.npz`, `.steps.npz`.
struct ModelFile: CustomTestStringConvertible, Sendable {
  let folder: URL
  let stem: String
  var testDescription: String { stem }

  func path(_ ending: String) -> String { folder.appending(path: "\(stem).\(ending)").path }
  func has(_ ending: String) -> Bool { FileManager.default.fileExists(atPath: path(ending)) }

  static let samples = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().appending(path: "Samples/models")

  /// Where more models lie: the folder that `FURC_MODELS` names, or `shared/models` beside the checkout.
  static let shared =
    ProcessInfo.processInfo.environment["FURC_MODELS"].map { URL(filePath: $0) }
    ?? samples.appending(path: "../../../shared/models").standardizedFileURL

  /// That of the package, and all in the folders of `shared`, sorted.
  static let all: [ModelFile] = {
    func models(_ folder: URL) -> [ModelFile] {
      let names = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
      return names.filter { $0.hasSuffix(".onnx") }.sorted()
        .map { ModelFile(folder: folder, stem: String($0.dropLast(5))) }
    }
    let own = models(samples.appending(path: "digits_cnn"))
    let folders = (try? FileManager.default.contentsOfDirectory(atPath: shared.path)) ?? []
    let others = folders.sorted().flatMap { models(shared.appending(path: $0)) }
    if others.isEmpty { print("skipped: models beside the package's own, since FURC_MODELS names no folder") }
    return own + others.filter { $0.stem != "digits_cnn" }
  }()

  /// The model of that name, or none where the folder is not there.
  static func named(_ stems: String...) -> [ModelFile] { all.filter { stems.contains($0.stem) } }

  /// The graph as imported, and after all passes.
  func graphs(_ session: Session, inputShapes: [String: [Int]] = [:]) throws -> [Graph] {
    let loaded = try Model.load(path("onnx"), batch: nil, inputShapes: inputShapes, session)
    return [loaded.graph, try session.optimized(loaded.graph)]
  }
}

/// One run of a case file.
struct CaseRun {
  let inputs: InputSet
  let outputs: [Tensor]

  /// All runs of `<stem>.case.npz`.
  static func all(_ model: ModelFile, _ graph: Graph) throws -> [CaseRun] {
    let archive = try NPZArchive(model.path("case.npz"))
    var runs: [CaseRun] = []
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
      runs.append(CaseRun(inputs: inputs, outputs: outputs))
    }
    return runs
  }
}

/// Why a result is not the expected one, or nil.
///
/// Floats have the tolerance of models, but for two roundings of 1, which is what the other runtime's sigmoid is
/// off by near 0. Stored integers may be `steps` apart; where that is more than one, in 2 % of the places.
func fault(_ found: Tensor, _ wanted: Tensor, isHalf: Bool = false, steps: Int = 1) -> String? {
  guard found.type == wanted.type else { return "\(found.type) instead of \(wanted.type)" }
  guard wanted.element.isFloat else {
    guard let a = try? found.int64Elements(), let b = try? wanted.int64Elements() else {
      return "no integers"
    }
    let distances = zip(a, b).map { abs($0 - $1) }
    let (worst, count) = (distances.max() ?? 0, distances.count { $0 > 0 })
    let limit = wanted.element.size == 1 ? steps : 0
    let isRare = limit <= 1 || count * 50 <= distances.count
    return worst > limit || !isRare ? "\(worst) steps apart, \(count) of \(distances.count) places" : nil
  }
  let tolerance = isHalf ? Tolerance.halfModels : .models
  guard let worst = tolerance.excess(found, wanted), worst > 0x1p-22 else { return nil }
  return "\(worst) apart"
}
