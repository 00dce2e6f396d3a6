import Foundation
import Furc
import NPUISA
import Support
import Testing

/// The verbs on the digits model: statuses, keys, files.
@Suite(.serialized) struct CommandTests {
  @Test func compileGivesItsKeys() {
    let outcome = Files.compiled
    #expect(outcome.status == 0, "\(outcome.messages)")
    let keys = [
      "model", "target", "precision", "weights", "cycles", "load_cycles", "latency_us", "clock_hz",
      "lower_bound_cycles", "bound", "over_bound", "layer_bound_cycles", "macs", "mac_utilization",
      "sram_bytes", "sram_peak_bytes", "dram_read_bytes", "dram_write_bytes", "energy_uj", "host_nodes",
      "sha256", "seconds",
    ]
    for key in keys { #expect(outcome.object[key] != nil, "\(key)") }
    let seconds = outcome.object["seconds"] as? [String: Any] ?? [:]
    let stages = ["import", "passes", "quantize", "map", "schedule", "emit", "verify", "total"]
    #expect(Set(seconds.keys) == Set(stages))
    #expect(outcome.object["model"] as? String == "digits_cnn")
    #expect(outcome.object["precision"] as? String == "int8")
    let cycles = outcome.object["cycles"] as? Int ?? 0
    let bound = outcome.object["lower_bound_cycles"] as? Int ?? 0
    #expect(bound > 0 && cycles >= bound)
    let bytes = try? FileIO.readBytes(Files.binary)
    #expect(outcome.object["sha256"] as? String == bytes.map { Digest.sha256($0).hex })
  }

  @Test func benchGivesItsKeys() {
    let outcome = furc(["bench", Files.digits, "--repeat", "1", "--json"])
    #expect(outcome.status == 0, "\(outcome.messages)")
    for key in ["seconds", "first_seconds", "import_seconds", "threads", "peaks", "kinds", "nodes"] {
      #expect(outcome.object[key] != nil, "\(key)")
    }
    let nodes = outcome.object["nodes"] as? [[String: Any]] ?? []
    #expect(nodes.contains { $0["kernel"] as? String == "contract f32" && $0["macs"] as? Int ?? 0 > 0 })
    let text = furc(["bench", Files.digits, "--repeat", "1", "--top", "1"])
    #expect(text.data.contains("GMAC/s"))
  }

  @Test func benchTimesTheInterpreter() {
    let outcome = furc(["bench", Files.binary, "--repeat", "1", "--json"])
    #expect(outcome.status == 0, "\(outcome.messages)")
    #expect(
      outcome.object["cycles"] as? Int == furc(["run", Files.binary, "--json"]).object["cycles"] as? Int)
    for key in ["seconds", "first_seconds", "load_seconds", "device_seconds"] {
      #expect(outcome.object[key] as? Double ?? 0 > 0, "\(key)")
    }
    #expect(furc(["bench", Files.binary, "--repeat", "1"]).data.contains("million a second"))
  }

  @Test(arguments: ["compile", "run", "bench", "report", "why"])
  func everyVerbExplainsItself(verb: String) {
    for arguments in [[verb, "--help"], ["help", verb]] {
      let outcome = furc(arguments)
      #expect(outcome.status == 0)
      #expect(outcome.data.contains("USAGE: furc \(verb) "), "\(outcome.data)")
    }
  }

  @Test func equalInputGivesEqualBytesAtAnyThreadCount() throws {
    let first = try FileIO.readBytes(Files.binary)
    for threads in ["1", "2"] {
      let path = Files.path("threads\(threads).fur")
      let outcome = furc([
        "compile", Files.digits, "--target", "warboy", "--calibration", Files.calibration, "-o", path,
        "--threads", threads, "--no-verify",
      ])
      #expect(outcome.status == 0, "\(outcome.messages)")
      #expect(try FileIO.readBytes(path) == first)
    }
  }

  @Test func verifyFindsBitsCyclesAndSafety() {
    let outcome = furc([
      "verify", Files.digits, "--target", "warboy", "--calibration", Files.calibration, "--data",
      Files.labelled, "--labels", "label", "--metric", "top1", "--rows", "100", "--json",
    ])
    #expect(outcome.status == 0, "\(outcome.messages)")
    let object = outcome.object
    #expect(object["bit_exact"] as? Bool == true)
    #expect(object["differing_bytes"] as? Int == 0)
    #expect(object["predicted_cycles"] as? Int == object["executed_cycles"] as? Int)
    #expect((object["predicted_cycles"] as? Int ?? 0) > 0)
    #expect((object["checker"] as? [String: Any])?["clean"] as? Bool == true)
    #expect(object["sqnr_db"] is [String: Any])
    #expect((object["top1_agreement"] as? Double ?? 0) > 0.97)
    let accuracy = object["accuracy"] as? [String: Any] ?? [:]
    #expect((accuracy["float"] as? Double ?? 0) > 0.97)
    #expect((accuracy["quantized"] as? Double ?? 0) > 0.97)
  }

  @Test func runGivesItsKeysInEveryMode() {
    var digests: Set<String> = []
    for mode in [[], ["--strict"], ["--jitter", "3"]] {
      let outcome = furc(["run", Files.binary, "--json", "--seed", "5"] + mode)
      #expect(outcome.status == 0, "\(outcome.messages)")
      #expect(outcome.object["cycles"] is Int && outcome.object["seconds"] is Double)
      let outputs = outcome.object["outputs"] as? [String: [String: Any]] ?? [:]
      digests.insert(outputs["probabilities"]?["sha256"] as? String ?? "")
    }
    #expect(digests.count == 1 && !digests.contains(""))
  }

  @Test func checkIsCleanAndInspectNamesTheSteps() {
    let check = furc(["check", Files.binary, "--json"])
    #expect(check.status == 0, "\(check.messages)")
    #expect(check.object["clean"] as? Bool == true)
    let inspect = furc(["inspect", Files.binary, "--json"])
    #expect(inspect.status == 0, "\(inspect.messages)")
    let steps = inspect.object["steps"] as? [[String: Any]] ?? []
    #expect(steps.contains { $0["kind"] as? String == "device" })
    #expect(furc(["inspect", Files.binary]).data.contains("input \"image\""))
  }

  @Test func assemblyComesBackByteForByte() throws {
    let (text, bytes, again) = (Files.path("digits.asm"), Files.path("digits.bin"), Files.path("digits2.asm"))
    #expect(furc(["disasm", Files.binary, "-o", text]).status == 0)
    #expect(furc(["asm", text, "-o", bytes]).status == 0)
    #expect(furc(["disasm", bytes, "-o", again]).status == 0)
    #expect(try FileIO.readBytes(text) == FileIO.readBytes(again))
    let model = try CompiledModel.load(Files.binary)
    #expect(try FileIO.readBytes(bytes) == model.devices[0].encoded())
  }

  @Test func targetsAreListedWithSourcesAndReasons() {
    let all = furc(["targets", "--json"])
    let names = (all.object["targets"] as? [[String: Any]] ?? []).compactMap { $0["name"] as? String }
    #expect(names.contains("warboy") && names.contains("warboy-2pe"))
    let one = furc(["targets", "warboy", "--json"])
    let numbers = one.object["numbers"] as? [[String: Any]] ?? []
    #expect(numbers.count > 30)
    for number in numbers {
      #expect(["published", "derived", "chosen"].contains(number["source"] as? String ?? ""))
      #expect(number["reason"] as? String != "")
    }
  }

  @Test func explainKnowsEveryCode() {
    for kind in Diagnostic.Kind.all {
      let outcome = furc(["explain", kind.code])
      #expect(outcome.status == 0 && outcome.data.contains(kind.summary))
    }
    #expect(furc(["explain", "F9999"]).status == 64)
  }
}
