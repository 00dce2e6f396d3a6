import Executor
import Foundation
import Furc
import GraphIR
import Support
import Tensors
import Testing

/// Models that importers stumble over.
struct OddModelTests {
  private func graphs(_ stem: String) throws -> [Graph] {
    try #require(ModelFile.named(stem).first).graphs(Session())
  }

  @Test(.enabled(if: !ModelFile.named("ml_only_201_imputers").isEmpty))
  func learnersAloneGiveTheirLabel() throws {
    for graph in try graphs("ml_only_201_imputers") {
      var inputs: InputSet = [:]
      for port in graph.inputPorts {
        let value: Scalar = port.type.element.isFloat ? .f32(0.5) : .i32(1)
        let type = try port.type.requireConcrete()
        inputs[port.name] = try Tensor(TensorType(value.isFloat ? .f32 : .i32, type.shape)) { _ in value }
          .converted(to: type.element)
      }
      for mode in GraphExecutor.Mode.allCases {
        let outputs = try Session().executor(graph, mode).run(inputs).outputs
        #expect(try outputs.map { try $0.tensor.int64Elements() } == [[1]])
      }
    }
  }

  /// Style transfer at 720 × 720, which evaluators take minutes for: they run with `FURC_ALL=1`.
  @Test(.enabled(if: !ModelFile.named("fns_candy_opset7_experimental").isEmpty))
  func removedOperatorsRun() throws {
    let archive = try NPZArchive(ModelFile.shared.appending(path: "odd_models/expected.npz").path)
    let image = try archive.tensor(named: "candy_in_90_upscale8")
    let pixels = image.doubleElements()
    var values: [Float] = []
    for index in 0..<(3 * 720 * 720) {
      let (channel, y, x) = (index / (720 * 720), index / 720 % 720, index % 720)
      values.append(Float(pixels[(y / 8 * 90 + x / 8) * 3 + channel]))
    }
    let input = try Tensor(TensorType(.f32, [1, 3, 720, 720]), values)
    let wanted = try archive.tensor(named: "candy_out_every_8th")
    let means = try archive.tensor(named: "candy_out_mean").doubleElements()
    for graph in try graphs("fns_candy_opset7_experimental") {
      let output = try Session().executor(graph).run(["inputImage": input]).outputs[0].tensor
      let all = output.elements(as: Float.self)
      var every: [Float] = []
      for index in 0..<(3 * 90 * 90) {
        let (channel, y, x) = (index / (90 * 90), index / 90 % 90, index % 90)
        every.append(all[(channel * 720 + y * 8) * 720 + x * 8])
      }
      #expect(fault(try Tensor(TensorType(.f32, [1, 3, 90, 90]), every), wanted) == nil)
      for channel in 0..<3 {
        let plane = all[(channel * 720 * 720)..<((channel + 1) * 720 * 720)]
        let mean = plane.reduce(0) { $0 + Double($1) } / Double(plane.count)
        #expect(abs(mean - means[channel]) <= 1e-3 * abs(means[channel]))
      }
      guard CaseTests.isEverything else { continue }
      let same = try Session().executor(graph, .reference).run(["inputImage": input]).outputs[0].tensor
      #expect(same == output)
    }
  }

  @Test(.enabled(if: !ModelFile.named("qonnx_jettagging_customdomain").isEmpty))
  func customDomainsAreRefusedNodeByNode() throws {
    let model = try #require(ModelFile.named("qonnx_jettagging_customdomain").first)
    let refusal = #expect(throws: Diagnostics.self) { try Model.load(model.path("onnx")) }
    let findings = refusal?.items ?? []
    #expect(findings.count == 11 && findings.allSatisfy { $0.kind == .unknownOperator })
    #expect(findings.allSatisfy { $0.description.contains("Quant") })
    #expect(findings.allSatisfy { $0.message.contains("'finn.custom_op.general'") })
  }

  /// Branches of different ranks: no graph without the extents that decide, which the data or the user give.
  @Test(.enabled(if: !ModelFile.named("silero_vad_16k_op15").isEmpty))
  func branchesOfDifferentRanksNeedShapes() throws {
    let model = try #require(ModelFile.named("silero_vad_16k_op15").first)
    let refusal = #expect(throws: Diagnostics.self) { try Model.load(model.path("onnx"), batch: nil) }
    #expect(refusal?.items.first?.help?.contains("--dim") == true)
    _ = try Model.load(model.path("onnx"), dimensions: ["batch": 1, "sequence": 576], batch: nil)
    _ = try Model.load(
      model.path("onnx"), batch: nil, inputShapes: ["input": [1, 576], "state": [2, 1, 128]])
  }
}
