import Foundation
import Furc
import Support
import Testing

/// `furc quantize`, and what `compile` and `verify` say of quantization.
struct QuantizeCommandTests {
  @Test func aSchemeReadBackGivesTheSameModel() throws {
    let (model, scheme) = (Files.path("q.onnx"), Files.path("q.json"))
    let first = furc([
      "quantize", Files.digits, "--calibration", Files.calibration, "-o", model, "--scheme-out", scheme,
      "--json",
    ])
    #expect(first.status == 0, "\(first.messages)")
    #expect(first.object["samples"] as? Int == 128)
    #expect((first.object["sqnr_db"] as? [String: Double])?["probabilities"] ?? 0 > 35)
    #expect((first.object["kept"] as? [String])?.isEmpty == true)
    let again = Files.path("q2.onnx")
    let second = furc([
      "quantize", Files.digits, "--calibration", Files.calibration, "--scheme", scheme, "-o", again,
      "--threads", "1",
    ])
    #expect(second.status == 0, "\(second.messages)")
    #expect(try FileIO.readBytes(again) == FileIO.readBytes(model))
    // With a scheme nothing depends on synthetic inputs, so nobody is warned of them.
    let third = furc(["quantize", Files.digits, "--scheme", scheme, "-o", again])
    #expect(third.status == 0 && third.messages.isEmpty)
    #expect(try FileIO.readBytes(again) == FileIO.readBytes(model))
  }

  /// A scale that a user changed is the one that is used; a scheme that says nonsense is refused.
  @Test func aSchemeCanBeEdited() throws {
    let (model, scheme) = (Files.path("e.onnx"), Files.path("e.json"))
    let first = furc([
      "quantize", Files.digits, "--calibration", Files.calibration, "-o", model, "--scheme-out", scheme,
      "--method",
      "min-max",
    ])
    #expect(first.status == 0, "\(first.messages)")
    let text = String(decoding: try FileIO.readBytes(scheme), as: UTF8.self)
    let line = try #require(text.split(separator: "\n").first { $0.contains("\"name\": \"image\"") })
    let scale = try #require(line.split(separator: "[").dropFirst().first?.split(separator: "]").first)
    let edited = text.replacing(line, with: line.replacing("[\(scale)]", with: "[0.25]"))
    try FileIO.writeAtomically(scheme, edited)
    let again = furc([
      "quantize", Files.digits, "--scheme", scheme, "-o", model, "--scheme-out", Files.path("f.json"),
    ])
    #expect(again.status == 0, "\(again.messages)")
    let written = String(decoding: try FileIO.readBytes(Files.path("f.json")), as: UTF8.self)
    #expect(written == edited)
    for wrong in [
      "", "{}", text.replacing("\"keep\": []", with: "\"keep\": [1]"),
      text.replacing("\"scale\": [", with: "\"scale\": [-"),
    ] {
      try FileIO.writeAtomically(scheme, wrong)
      let refused = furc(["quantize", Files.digits, "--scheme", scheme, "-o", model])
      #expect(refused.status == 65 || refused.status == 64, "\(wrong.prefix(20)): \(refused.status)")
      #expect(refused.messages.split(separator: "\n").count == 1)
    }
    try FileIO.writeAtomically(scheme, text.replacing("\"name\": \"", with: "\"name\": \"other"))
    let other = furc(["quantize", Files.digits, "--scheme", scheme, "-o", model])
    #expect(other.status != 0 && other.messages.contains("another model"))
    #expect(furc(["quantize", Files.digits, "--scheme", Files.path("none.json"), "-o", model]).status == 66)
  }

  @Test func aGoalNamesWhatItKeeps() throws {
    let outcome = furc([
      "compile", Files.digits, "--target", "warboy", "--calibration", Files.calibration, "--min-sqnr", "52",
      "-o",
      Files.path("kept.fur"), "--json",
    ])
    #expect(outcome.status == 0, "\(outcome.messages)")
    let quantization = outcome.object["quantization"] as? [String: Any] ?? [:]
    let kept = quantization["kept"] as? [String] ?? []
    #expect(!kept.isEmpty)
    #expect((quantization["sqnr_db"] as? [String: Double])?["probabilities"] ?? 0 >= 52)
    // The same by hand.
    let again = furc(
      ["verify", Files.digits, "--target", "warboy", "--calibration", Files.calibration, "--json", "--keep"]
        + kept)
    #expect(again.status == 0, "\(again.messages)")
    #expect(again.object["kept"] as? [String] == kept)
    #expect(again.object["bit_exact"] as? Bool == true)
  }

  @Test func layersAreRankedByLoss() {
    let outcome = furc([
      "verify", Files.digits, "--target", "warboy", "--calibration", Files.calibration, "--layers", "--json",
      "--no-strict", "--jitter", "0",
    ])
    #expect(outcome.status == 0, "\(outcome.messages)")
    let layers = outcome.object["layers"] as? [[String: Any]] ?? []
    let alone = layers.compactMap { $0["alone_db"] as? Double }
    #expect(alone.count > 10 && alone == alone.sorted())
    #expect(layers.allSatisfy { $0["sqnr_db"] is Double && $0["node"] is String })
    let text = furc([
      "quantize", Files.digits, "--calibration", Files.calibration, "--layers", "-o", Files.path("l.onnx"),
    ])
    #expect(text.data.contains("layers by what quantizing each alone costs"))
  }

  @Test func wrongOptionsAreUsageErrors() {
    let base = ["quantize", Files.digits, "-o", Files.path("w.onnx")]
    for wrong in [
      ["--method", "best"], ["--method", "percentile:12"], ["--min-sqnr", "-3"], ["--keep", "bf16:fc"],
      ["--keep", "f32:"],
    ] {
      let outcome = furc(base + wrong)
      #expect(outcome.status == 64, "\(wrong)")
      #expect(outcome.messages.contains(wrong[0]))
    }
    let unknown = furc(base + ["--keep", "nowhere"])
    #expect(unknown.status != 0 && unknown.messages.contains("'nowhere'"))
    #expect(
      furc(["compile", Files.digits, "--target", "warboy", "--precision", "int8", "--min-sqnr", "40"]).status
        == 64)
  }
}
