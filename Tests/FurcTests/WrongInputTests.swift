import Foundation
import Furc
import GraphIR
import Machine
import Support
import Tensors
import TestSupport
import Testing

/// Whatever is wrong gives one sentence with a code, on stderr, and its status; nothing traps.
@Suite(.serialized) struct WrongInputTests {
  private func expect(_ arguments: [String], _ status: Int32, _ code: String? = nil) {
    let outcome = furc(arguments)
    #expect(outcome.status == status, "\(arguments): \(outcome.messages)")
    #expect(outcome.data.isEmpty, "\(arguments)")
    if status == 64 {
      #expect(!outcome.messages.isEmpty)
    } else {
      #expect(outcome.diagnostic != nil, "\(arguments): \(outcome.messages)")
      if let code { #expect(outcome.messages.contains("[\(code)]"), "\(outcome.messages)") }
    }
  }

  @Test(arguments: [
    ["frobnicate"], ["compile"], ["compile", "m.onnx"],
    ["compile", "m.onnx", "--target", "warboy", "--speed"],
    ["compile", "m.onnx", "--target", "warboy", "--weights", "flying"],
    ["compile", "m.onnx", "--target", "warboy", "--calibration", "random:0"],
    ["compile", "m.onnx", "--target", "warboy", "--dim", "n"],
    ["compile", "m.onnx", "--target", "warboy", "--threads", "0"],
    ["verify", "m.onnx", "--target", "warboy", "--metric", "beauty"],
    ["run", "m.fur", "--strict", "--jitter", "1"], ["run", "m.fur", "--repeat", "0"],
  ])
  func usage(_ arguments: [String]) { expect(arguments, 64) }

  @Test func missingFiles() {
    let none = Files.path("none")
    expect(["compile", none + ".onnx", "--target", "warboy"], 66, "F0103")
    expect(["run", none + ".fur"], 66)
    expect(["run", none + ".onnx"], 66)
    expect(["check", none + ".fur"], 66)
    expect(["inspect", none + ".fur"], 66)
    expect(["disasm", none + ".fur"], 66)
    expect(["asm", none + ".asm", "-o", none + ".bin"], 66)
    expect(["targets", none + ".yaml"], 66)
    expect(["run", Files.binary, "--input", none + ".npz"], 66)
    expect(["compile", Files.digits, "--target", "warboy", "--calibration", none + ".npz"], 66)
  }

  @Test func filesThatAreSomethingElse() throws {
    let empty = try Files.write("empty.onnx", [])
    let text = try Files.write("text.onnx", Array("hello, I am no model\n".utf8))
    for path in [empty, text] {
      expect(["compile", path, "--target", "warboy"], 65)
      expect(["run", path], 65)
      expect(["check", path], 65, "F0803")
      expect(["inspect", path], 65, "F0803")
      expect(["disasm", path], 65, "F0803")
      expect(["run", Files.digits, "--input", path], 65)
      expect(["compile", Files.digits, "--target", "warboy", "--calibration", path], 65)
    }
    expect(["asm", text, "-o", Files.path("x.bin")], 65)
    let cut = try Files.write("cut.onnx", Array(try FileIO.readBytes(Files.digits).prefix(40_000)))
    expect(["compile", cut, "--target", "warboy"], 65)
  }

  @Test func targetsThatAreNone() throws {
    expect(["compile", Files.digits, "--target", "nonesuch"], 69, "F0802")
    let yaml = String(decoding: try CompiledModel.load(Files.binary).target.yaml, as: UTF8.self)
    let wrong = [
      yaml.replacingOccurrences(of: "clock_hz", with: "clock_mhz"),
      yaml.replacingOccurrences(of: "value: 2000000000", with: "value: 2 GHz"),
      yaml.replacingOccurrences(of: "slices: {value: 64", with: "slices: {value: 63"),
      yaml.replacingOccurrences(of: "source: published", with: "source: guessed"),
      yaml + "\nextra: 1\n", "[", "\u{0}",
    ]
    for (index, text) in wrong.enumerated() {
      let path = try Files.write("wrong\(index).yaml", Array(text.utf8))
      expect(["targets", path], 65, "F0801")
      expect(["compile", Files.digits, "--target", path], 65, "F0801")
    }
  }

  @Test func inputsThatDoNotFit() throws {
    let image = try Tensor(TensorType(.f32, [1, 1, 8, 8]))
    let small = try Tensor(TensorType(.f32, [1, 1, 8, 7]))
    let integers = try Tensor(TensorType(.i64, [1, 1, 8, 8]))
    for (index, array) in [("picture", image), ("image", small), ("image", integers)].enumerated() {
      var writer = NPZWriter()
      try writer.add(array.0, array.1)
      let path = try Files.write("inputs\(index).npz", writer.finish())
      expect(["run", Files.binary, "--input", path], 65)
      expect(["run", Files.digits, "--input", path], 65)
    }
    expect(["compile", Files.digits, "--target", "warboy", "--dim", "n=3"], 64)
  }

  @Test func outputsThatCannotBeWritten() {
    let nowhere = Files.path("no/such/folder/x")
    expect(["compile", Files.digits, "--target", "warboy", "--no-verify", "-o", nowhere], 74, "F0104")
    expect(["run", Files.binary, "-o", nowhere], 74)
    expect(["disasm", Files.binary, "-o", nowhere], 74)
  }

  // MARK: damaged binaries

  @Test func binariesCutAndFlippedAtAThousandPlaces() throws {
    let bytes = try FileIO.readBytes(Files.binary)
    var random = SeededRandom(seed: 7)
    for number in 0..<1000 {
      var damaged = bytes
      let place = Int.random(in: 0..<bytes.count, using: &random)
      if number % 2 == 0 {
        damaged.removeSubrange(place...)
      } else {
        damaged[place] ^= 1 << UInt8.random(in: 0...7, using: &random)
      }
      let finding = decodingFault(damaged)
      #expect([.malformedContainer, .otherTarget].contains(finding?.kind), "at \(place)")
    }
    let cut = try Files.write("cut.fur", Array(bytes.dropLast()))
    for verb in ["run", "check", "inspect", "disasm"] { expect([verb, cut], 65, "F0803") }
  }

  /// Damage inside sections, with digest and checksums made right again: refused or harmless, never a trap.
  @Test(arguments: Seed.all) func sectionsDamagedUnderAFreshDigest(_ seed: Seed) throws {
    let original = try Container(decoding: try FileIO.readBytes(Files.binary), name: "binary")
    var random = seed.random
    for _ in 0..<60 {
      var container = original
      let section = Int.random(in: 0..<container.sections.count, using: &random)
      for _ in 0..<Int.random(in: 1...4, using: &random) {
        guard !container.sections[section].bytes.isEmpty else { continue }
        let place = Int.random(in: 0..<container.sections[section].bytes.count, using: &random)
        container.sections[section].bytes[place] = UInt8.random(in: 0...255, using: &random)
      }
      let path = try Files.write("damaged-\(seed.value).fur", container.encoded())
      let outcome = furc(["check", path])
      #expect([0, 1, 65, 69].contains(outcome.status), "\(outcome.messages)")
    }
  }

  @Test func binariesOfAnotherInstructionSet() throws {
    var container = try Container(decoding: try FileIO.readBytes(Files.binary), name: "binary")
    container.instructionSet[0] ^= 1
    let path = try Files.write("other.fur", container.encoded())
    expect(["run", path], 69, "F0804")
    expect(["check", path], 69, "F0804")
  }

  @Test func binariesWithAnotherTargetsFile() throws {
    var container = try Container(decoding: try FileIO.readBytes(Files.binary), name: "binary")
    let index = try #require(container.sections.firstIndex { $0.name == "target" })
    let text = String(decoding: container.sections[index].bytes, as: UTF8.self)
    container.sections[index].bytes = Array(text.replacingOccurrences(of: "warboy", with: "other").utf8)
    let path = try Files.write("target.fur", container.encoded())
    expect(["run", path], 65, "F0803")
  }
}

private func decodingFault(_ bytes: [UInt8]) -> Diagnostic? {
  do {
    _ = try CompiledModel(decoding: bytes, name: "binary")
    return nil
  } catch { return error }
}
