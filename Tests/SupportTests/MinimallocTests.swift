import Foundation
import Support
import Testing

/// The published instances of the MiniMalloc paper: in the folder that `FURC_MODELS` names, or in `shared/models`
/// beside the checkout.
@Suite(.serialized) struct MinimallocTests {
  struct Instance: CustomTestStringConvertible, Sendable {
    let url: URL
    var testDescription: String { url.lastPathComponent }

    /// The file's name carries the capacity: `A.1048576.csv`.
    var capacity: Int {
      url.lastPathComponent.split(separator: ".").dropFirst().first.flatMap { Int($0) } ?? 0
    }

    /// Lines of `id,lower,upper,size` behind a header.
    func buffers() throws -> [StaticAllocator.Buffer] {
      try String(contentsOf: url, encoding: .utf8).split(whereSeparator: \.isNewline).dropFirst().map {
        line in
        let fields = try line.split(separator: ",").dropFirst().map { try #require(Int($0)) }
        try #require(fields.count == 3)
        return StaticAllocator.Buffer(fields[0]..<fields[1], size: fields[2])
      }
    }
  }

  static let instances: [Instance] = {
    let checkout = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    let models =
      ProcessInfo.processInfo.environment["FURC_MODELS"].map { URL(filePath: $0) }
      ?? checkout.deletingLastPathComponent().appending(path: "shared/models")
    let folder = models.appending(path: "minimalloc")
    let files =
      (try? FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)) ?? []
    let found = files.filter { $0.pathExtension == "csv" }.sorted { $0.path < $1.path }
    if found.isEmpty {
      print("skipped: instances of minimalloc, since FURC_MODELS names no folder with them")
    }
    return found.map { Instance(url: $0) }
  }()

  @Test(arguments: instances)
  func solvesWithinTheNodes(instance: Instance) throws {
    let buffers = try instance.buffers()
    let start = ContinuousClock.now
    let solution = StaticAllocator.solve(buffers, capacity: instance.capacity, nodeLimit: 200_000)
    let milliseconds = (ContinuousClock.now - start) / .milliseconds(1)
    print(
      "\(instance.testDescription): \(buffers.count) buffers, \(solution.nodes) nodes, \(Int(milliseconds)) ms"
    )
    #expect(solution.nodes <= 200_000)
    let offsets = try #require(solution.offsets)
    #expect(overlaps(buffers, offsets) == 0)
    #expect(zip(buffers, offsets).allSatisfy { $1 >= 0 && $1 + $0.size <= instance.capacity })
  }

  /// A sweep over time: pairs of neighbours in space that overlap, at any start.
  private func overlaps(_ buffers: [StaticAllocator.Buffer], _ offsets: [Int]) -> Int {
    Set(buffers.map(\.start)).sorted().reduce(0) { count, time in
      let alive = buffers.indices.filter { buffers[$0].start <= time && time < buffers[$0].end }
        .sorted { offsets[$0] < offsets[$1] }
      return count
        + zip(alive, alive.dropFirst()).count { offsets[$0] + buffers[$0].size > offsets[$1] }
    }
  }
}
