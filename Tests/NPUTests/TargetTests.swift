import Foundation
import Machine
import Support
import TargetFiles
import Testing

private let root = URL(filePath: #filePath).appending(path: "../../..").standardized

@Test(arguments: ["warboy", "warboy-2pe", "tiny-npu"])
func embeddedTargetsAreCurrent(name: String) throws {
  let file = try Data(contentsOf: root.appending(path: "Targets/\(name).yaml"))
  let target = try Targets.builtin(name)
  #expect(target.yaml == Array(file), "run Tools/embed-targets")
  #expect(target.name == name && target.machine.name == name)
  #expect(target.numbers.count == MachineNumber.all.count + 1)
}

@Test func everyTargetFileIsEmbedded() throws {
  let files = try FileManager.default.contentsOfDirectory(atPath: root.appending(path: "Targets").path)
  #expect(Set(files) == Set(Targets.names.map { "\($0).yaml" }))
}

@Test func warboyHasThePublishedPeak() throws {
  let machine = try Targets.builtin("warboy-2pe").machine
  let perCycle = machine.slices * machine.lanes * machine.packetBytes
  #expect(2 * perCycle * machine.clockHz == 65_536_000_000_000)
  #expect(machine.dramGranuleTicks * 264 == machine.dramGranuleBytes * machine.ticksPerCycle * 10)
}

@Test(arguments: [
  ("slices: {value: 4", "slicez: {value: 4", "unknown key 'slicez' in machine"),
  ("slices: {value: 4", "slices: {value: 3", "slices is 3, which is not a power of two"),
  ("slices: {value: 4", "slices: {value: four", "value of slices is 'four', allowed is an integer"),
  ("slices: {value: 4,", "slices: {value: [4],", "value of slices is a list, allowed is an integer"),
  ("lanes: {value: 8", "lanes: {value: 4", "lanes is 4, allowed is 8 … 8"),
  ("hop_cycles:", "slices:", "key is there twice"),
  ("family: npu", "family: gpu", "family is 'gpu', known is npu"),
  ("source: chosen", "source: guessed", "source of clock_hz is 'guessed'"),
  ("summary: a small", "zusammenfassung: a small", "unknown key 'zusammenfassung' in the file"),
  ("name: tiny-npu\n", "", "key 'name' is missing in the file"),
  ("name: tiny-npu", "name: [", "not YAML"),
  ("[i8, u8, i4,", "[i8, u8, i8,", "contraction_types holds 'i8' twice"),
  ("register_file_bytes: {value: 1024", "register_file_bytes: {value: 1000", "not a whole number of rows"),
])
func wrongTargetFilesAreRefused(old: String, new: String, message: String) throws {
  let text = String(decoding: try Targets.builtin("tiny-npu").yaml, as: UTF8.self)
  guard let range = text.range(of: old) else {
    Issue.record("'\(old)' is not in the file")
    return
  }
  let changed = text.replacingCharacters(in: range, with: new)
  let found = #expect(throws: Diagnostic.self) { try TargetReader.read(Array(changed.utf8)) }
  #expect(found?.description.contains(message) == true, "\(found?.description ?? "")")
}

@Test func unknownKeysNameTheNearest() throws {
  let text = String(decoding: try Targets.builtin("tiny-npu").yaml, as: UTF8.self)
  let changed = text.replacing("sram_bytes_per_slice", with: "sram_kib_per_slice")
  let found = #expect(throws: Diagnostic.self) { try TargetReader.read(Array(changed.utf8)) }
  #expect(found?.help == "the nearest known key is 'sram_bytes_per_slice'")
}
