import Foundation
import Furc
import GraphIR
import Testing

/// `furc why`: every node has a place, and the reason is the one that the compilation acted on.
@Suite(.serialized) struct WhyTests {
  private static func why(_ model: String, _ more: String...) -> Outcome {
    furc(["why", model] + more + ["--target", "warboy"])
  }

  private func nodes(_ outcome: Outcome) -> [[String: Any]] {
    outcome.object["nodes"] as? [[String: Any]] ?? []
  }

  @Test func hostNodesTellTheFailedConditionAndThePrice() throws {
    let model = try FallbackTests.model()
    let outcome = Self.why(model, "--json")
    #expect(outcome.status == 0, "\(outcome.messages)")
    let host = nodes(outcome).filter { $0["place"] as? String == "host" }
    let choice = try #require(host.first { $0["node"] as? String == "choice" })
    let binary = Files.path("why.fur")
    let compile = furc(["compile", model, "--target", "warboy", "-o", binary, "--no-verify", "--json"])
    let decided = (compile.object["host_nodes"] as? [[String: Any]] ?? []).compactMap {
      $0["reason"] as? String
    }
    #expect(host.compactMap { $0["reason"] as? String } == decided)
    let price = choice["price"] as? [String: Any] ?? [:]
    #expect(price["elements"] as? Int == 3)
    #expect((price["bytes"] as? Int ?? 0) >= 16)
    // The product before it and the doubling behind it are one program if the target takes it, too.
    #expect(price["launches"] as? Int == 1)
    let parts = ["host_us", "link_us", "launch_us"].reduce(0) { $0 + (price[$1] as? Double ?? 0) }
    #expect(abs(parts - (price["us"] as? Double ?? 0)) < 1e-5)
    let places = Set(nodes(outcome).compactMap { $0["place"] as? String })
    #expect(places.isSuperset(of: ["device", "host", "conversion"]))
    let latency = outcome.object["latency"] as? [String: Any] ?? [:]
    #expect(latency["total_us"] as? Double == compile.object["latency_us"] as? Double)
  }

  /// Real models, with what fixes their shapes: whatever does not run on the device says which condition failed, and what
  /// that costs.
  @Test(arguments: [
    (["stories260k/stories260k_prefill.onnx", "--dim", "seq=64"], true),
    (["hand_keypoint_mlp/hand_keypoint_mlp.onnx"], false),
    (["mnist/mnist_convinteger.onnx"], false),
    (["ic_resnet8/resnet8_int8_qdq.onnx"], false),
    (["kws_dscnn/dscnn_fp32.onnx"], false),
  ]) func everyHostNodeOfARealModelIsPriced(_ model: [String], hasHostNodes: Bool) {
    let path = Files.shared.appending(path: model[0]).path
    guard FileManager.default.fileExists(atPath: path) else {
      print("skipped: \(model[0]), since FURC_MODELS names no folder that has it")
      return
    }
    let outcome = furc(
      ["why", path, "--target", "warboy", "--calibration", "random:1", "--method", "min-max", "--json"]
        + model.dropFirst())
    #expect(outcome.status == 0, "\(outcome.messages)")
    let host = nodes(outcome).filter { $0["place"] as? String == "host" }
    #expect(host.isEmpty == !hasHostNodes, "\(host.count) of \(nodes(outcome).count) nodes on the host")
    for node in host {
      #expect((node["reason"] as? String)?.isEmpty == false, "\(node)")
      let price = node["price"] as? [String: Any] ?? [:]
      #expect((price["us"] as? Double ?? 0) > 0 && (price["elements"] as? Int ?? 0) > 0, "\(node)")
      #expect(price["launches"] is Int && price["bytes"] is Int, "\(node)")
    }
  }

  @Test func oneNodeByNameResultOrNumber() throws {
    let model = try FallbackTests.model()
    for name in ["choice", "#1"] {
      let outcome = Self.why(model, name)
      #expect(outcome.status == 0, "\(outcome.messages)")
      let lines = outcome.data.split(separator: "\n")
      #expect(
        lines.contains { $0.hasPrefix("host") && $0.contains("Gather 'choice'") && $0.contains("price") })
      #expect(!lines.contains { $0.contains("MatMul 'product'") })
    }
    #expect(Self.why(model, "out").data.contains("'double'"))
  }

  @Test func deviceNodesNameTheirKernels() {
    let outcome = furc([
      "why", Files.digits, "--target", "warboy", "--calibration", Files.calibration, "--json",
    ])
    #expect(outcome.status == 0, "\(outcome.messages)")
    let device = nodes(outcome).filter { $0["place"] as? String == "device" }
    let kernels = device.flatMap { $0["kernels"] as? [[String: Any]] ?? [] }
    #expect(kernels.contains { $0["form"] as? String == "contract" && ($0["cycles"] as? Double ?? 0) > 0 })
    // Every node of the model is told of.
    let told = Set(
      nodes(outcome).flatMap { $0["stands_for"] as? [[String: Any]] ?? [] }.compactMap { $0["index"] as? Int }
    )
    let count = (try? Model.load(Files.digits))?.graph.order.count ?? -1
    #expect(told.count >= count)
  }

  @Test func unknownNamesAreOneSentenceWithNearNames() throws {
    let outcome = Self.why(try FallbackTests.model(), "choise")
    #expect(outcome.status == 64 && outcome.data.isEmpty)
    #expect(outcome.diagnostic?.contains("[F0608]") == true, "\(outcome.messages)")
    #expect(outcome.diagnostic?.contains("'choise'; near are 'choice'") == true, "\(outcome.messages)")
    let far = Self.why(try FallbackTests.model(), "qqqqqqqqqqqqqqqqqqqq")
    #expect(far.status == 64 && far.diagnostic?.contains("near") == false, "\(far.messages)")
    #expect(Self.why(try FallbackTests.model(), "").status == 64)
  }
}
