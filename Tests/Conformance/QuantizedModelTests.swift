import Executor
import Foundation
import Furc
import GraphIR
import Operators
import Quantization
import Support
import Tensors
import Testing

/// Float models quantized by their calibration files with everything that `auto` does: what is lost, and that kernels
/// compute what rule Q says.
@Suite(.serialized) struct QuantizedModelTests {
  private struct Quantized {
    let float: Graph
    let canonical: Graph
    let result: Quantizer.Result
  }

  /// - Parameter goal: in dB at every output.
  private func quantize(_ model: ModelFile, goal: Double? = nil) throws -> Quantized {
    let session = Session()
    let float = try session.prepared(try Model.load(model.path("onnx"), batch: 1, session).graph)
    var options = QuantizationOptions()
    options.calibration = .file(model.path("calibration.npz"))
    options.minimumSQNR = goal
    var warnings: [Diagnostic] = []
    let result = try session.quantized(float, options, &warnings)
    #expect(warnings.isEmpty)
    return Quantized(
      float: float, canonical: try session.optimized(result.graph).withUniqueNames(), result: result)
  }

  private func top(_ executor: GraphExecutor, _ sample: InputSet) throws -> Int {
    let scores = try #require(try executor.run(sample).outputs.first?.tensor)
    return TopOne.classes(try scores.reshaped([scores.count]))[0]
  }

  /// At most half a point on the labelled rows.
  @Test(
    arguments: ModelFile.named("digits_cnn", "resnet8_fp32", "dscnn_fp32", "mnist8", "hand_keypoint_mlp"))
  func accuracyStays(_ model: ModelFile) throws {
    let quantized = try quantize(model)
    let archive = try NPZArchive(model.path("labelled.npz"))
    let rows = try ArchiveSamples(archive, for: quantized.float)
    let labels = try archive.tensor(named: "label").int64Elements()
    let (before, after) = (Session().executor(quantized.float), Session().executor(quantized.canonical))
    var (float, integer, agreeing) = (0, 0, 0)
    for index in 0..<rows.count {
      let sample = try rows.sample(index)
      let (wanted, found) = (try top(before, sample), try top(after, sample))
      float += wanted == labels[index] ? 1 : 0
      integer += found == labels[index] ? 1 : 0
      agreeing += found == wanted ? 1 : 0
    }
    print("\(model.stem): float \(float), int8 \(integer), alike \(agreeing) of \(rows.count)")
    #expect(rows.count >= 600 && (float - integer) * 200 <= rows.count)
    #expect(agreeing * 100 >= rows.count * 97)
    #expect(quantized.result.scheme.kept.isEmpty)
  }

  /// The class of every row whose float scores are clear.
  @Test(arguments: ModelFile.named("vww_fp32", "ppocr2_cls", "squeezenet_fp16"))
  func clearRowsKeepTheirClass(_ model: ModelFile) throws {
    let quantized = try quantize(model)
    let name = model.has("labelled.npz") ? "labelled.npz" : "calibration.npz"
    let rows = try ArchiveSamples(try NPZArchive(model.path(name)), for: quantized.float)
    let (before, after) = (Session().executor(quantized.float), Session().executor(quantized.canonical))
    var clear = 0
    for index in 0..<rows.count {
      let sample = try rows.sample(index)
      let scores = try #require(try before.run(sample).outputs.first?.tensor).doubleElements().sorted(by: >)
      guard scores[0] - scores[1] > 0.1 else { continue }
      clear += 1
      #expect(try top(before, sample) == top(after, sample), "row \(index)")
    }
    #expect(clear >= rows.count / 2)
  }

  /// 25 dB at every output; the last two by layers that stay in f32.
  @Test(
    arguments: ModelFile.named(
      "ultraface_rfb320", "yunet_n_dynamic", "super_resolution_10", "fastestdet", "ppocr3_en_det"))
  func outputsStayClose(_ model: ModelFile) throws {
    let mayKeep = ["fastestdet", "ppocr3_en_det"].contains(model.stem)
    let quantized = try quantize(model, goal: mayKeep ? 25 : nil)
    #expect(quantized.result.sqnr.allSatisfy { $0.ratio.decibels >= 25 })
    #expect(quantized.result.scheme.kept.isEmpty != mayKeep)
    #expect(quantized.result.raised.isEmpty != mayKeep)
    let kept = quantized.result.scheme.kept
    if mayKeep { print("\(model.stem) keeps \(kept.count) nodes: \(kept.joined(separator: ", "))") }
  }

  /// Each node of the canonical graph, on what the kernels before it gave.
  @Test(
    arguments: ModelFile.named("digits_cnn", "resnet8_fp32", "dscnn_fp32", "vww_fp32", "ultraface_rfb320"))
  func kernelsFollowRuleQ(_ model: ModelFile) throws {
    let quantized = try quantize(model)
    let samples = try ArchiveSamples(
      try NPZArchive(model.path("calibration.npz")), for: quantized.float, limit: 1)
    try expectRuleQ(quantized.canonical, try samples.sample(0), Session())
  }
}
