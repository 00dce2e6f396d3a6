import Foundation
import ONNX
import Support
import Testing

/// Import takes at most 64 MiB beside the file, whatever the file holds.
@Suite struct MemoryTests {
  @Test func growthIsBounded() async {
    // A process of its own, so that other tests do not count.
    let result = await #expect(processExitsWith: .success, observing: [\.standardErrorContent]) {
      for (name, element, path) in MemoryTests.hostile {
        // From far above the limit down to just below it, where most is taken.
        var size = 40 << 20
        while try MemoryTests.check(name, element, path, size: size) == .importLimit { size /= 2 }
        size = size * 7 / 4
        while try MemoryTests.check(name, element, path, size: size) == .importLimit { size = size * 7 / 8 }
      }
      // Weights stay in the file.
      let weights = WireWriter.make { tensor in
        tensor.varint(1, 12 << 20)
        tensor.varint(2, 1)
        tensor.text(8, "w")
      }
      let refusal = try MemoryTests.check(
        "weights", [0], [7, 5, 9], size: 48 << 20, besides: weights, limit: 16 << 20, countsFile: false)
      precondition(refusal == nil)
    }
    let findings = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
    #expect(findings.isEmpty)
  }

  /// What a file repeats, and the fields around it.
  static let hostile: [(String, [UInt8], [Int])] = [
    ("empty nodes", [0x0A, 0], [7]),
    ("empty tensors", [0x2A, 0], [7]),
    ("empty inputs", [0x5A, 0], [7]),
    ("operands of a node", [0x0A, 1, 0x61], [7, 1]),
    ("empty attributes", [0x2A, 0], [7, 1]),
    ("strings of an attribute", [0x4A, 0], [7, 1, 5]),
    ("integers of an attribute", [0x40, 1], [7, 1, 5]),
    ("packed integers of an attribute", [1], [7, 1, 5, 8]),
    ("dimensions", [8, 1], [7, 5]),
    ("packed dimensions", [1], [7, 5, 1]),
    ("alternating numbers", [0x20, 1, 0x2A, 1, 1, 0x3A, 1, 1], [7, 5]),
    ("functions", [0xCA, 1, 0], []),
    ("opsets", [0x42, 0], []),
    ("versions", [8, 8], []),
  ]

  /// Writes a model that repeats `element` up to `size` bytes within nested messages, and imports it.
  /// - Returns: the kind of the first refusal.
  static func check(
    _ name: String, _ element: [UInt8], _ path: [Int], size: Int, besides: [UInt8] = [],
    limit: Int = 64 << 20, countsFile: Bool = true
  ) throws -> Diagnostic.Kind? {
    let count = size / element.count
    let url = FileManager.default.temporaryDirectory.appending(path: "furc-memory-\(UUID().uuidString).onnx")
    defer { try? FileManager.default.removeItem(at: url) }
    var length = count * element.count
    var prefix: [UInt8] = []
    for (depth, field) in path.enumerated().reversed() {
      let isTensor = depth == 1 && !besides.isEmpty
      let tag = WireWriter.make {
        $0.tag(field, 2)
        $0.number(UInt64(length + (isTensor ? besides.count : 0)))
      }
      prefix = tag + (isTensor ? besides : []) + prefix
      length += tag.count + (isTensor ? besides.count : 0)
    }
    let head = WireWriter.make {
      $0.varint(1, 8)
      $0.message(8) { $0.varint(2, 17) }
      // A graph's output, before what it holds: the same field once more would be refused.
    }
    try Data(head + prefix).write(to: url)
    let handle = try FileHandle(forWritingTo: url)
    try handle.seekToEnd()
    let block = Data(Array(repeatElement(element, count: (1 << 20) / element.count).joined()))
    var left = count * element.count
    while left > 0 {
      try handle.write(contentsOf: block.prefix(left))
      left -= min(left, block.count)
    }
    try handle.close()

    try Data("5".utf8).write(to: URL(filePath: "/proc/self/clear_refs"))
    let before = try status("VmRSS")
    var kind: Diagnostic.Kind?
    do { _ = try ONNXImporter.importModel(path: url.path) } catch {
      kind = error.items.first?.kind
      guard error.items.allSatisfy({ [65, 69].contains($0.kind.exitStatus) }) else {
        fail("\(name): \(error)")
      }
    }
    let growth = try status("VmHWM") - before
    let allowed = (countsFile ? size : 0) + limit
    guard growth <= allowed else {
      fail("\(name) of \(size >> 20) MiB: grew by \(growth >> 20) MiB, allowed \(allowed >> 20)")
    }
    return kind
  }

  private static func status(_ key: String) throws -> Int {
    let text = try String(contentsOfFile: "/proc/self/status", encoding: .utf8)
    let line = text.split(separator: "\n").first { $0.hasPrefix(key + ":") }
    return (line?.split(whereSeparator: { " \t".contains($0) }).dropFirst().first.flatMap { Int($0) } ?? 0)
      << 10
  }

  private static func fail(_ what: String) -> Never {
    FileHandle.standardError.write(Data((what + "\n").utf8))
    exit(1)
  }
}
