import Foundation
import Support
import Tensors
import TestSupport
import Testing

struct NPZTests {
  /// One tensor of each element type that NumPy has, ranks 0 to 3, empty and not.
  static func samples() throws -> [(name: String, tensor: Tensor)] {
    var random = SeededRandom(seed: 7)
    return try ElementType.allCases.enumerated().map { index, element in
      let type = TensorType(element, [[], [5], [2, 3], [3, 0, 2]][index % 4])
      let mask: UInt8 = element == .bool ? 1 : element.size == 1 ? 7 : 0x3F
      let tensor = try Tensor(type) { (memory: UnsafeMutableRawBufferPointer) in
        for position in memory.indices {
          memory[position] = UInt8(truncatingIfNeeded: random.next()) & mask
        }
      }
      return ("\(element).x", tensor)
    }
  }

  static func archive(compressed: Bool) throws -> [UInt8] {
    var writer = NPZWriter(compressed: compressed)
    for (name, tensor) in try samples() { try writer.add(name, tensor) }
    try writer.add("names", strings: ["a", "", "Größe", "😀x"])
    return writer.finish()
  }

  static func open(_ bytes: [UInt8]) throws -> NPZArchive {
    try NPZArchive(Storage(count: bytes.count) { $0.copyBytes(from: bytes) }, path: "test.npz")
  }

  @Test(arguments: [false, true]) func writtenArraysReadBack(compressed: Bool) throws {
    let bytes = try Self.archive(compressed: compressed)
    #expect(try Self.archive(compressed: compressed) == bytes)
    let archive = try Self.open(bytes)
    let samples = try Self.samples()
    #expect(archive.names == samples.map(\.name) + ["names"])
    for (name, tensor) in samples {
      let back = try archive.tensor(named: name)
      #expect(try back.converted(to: tensor.element) == tensor, "\(name)")
    }
    #expect(try archive.strings(named: "names") == ["a", "", "Größe", "😀x"])
    #expect(archive.contains("f32.x") && !archive.contains("f32"))
    #expect(throws: Diagnostic.self) { try archive.tensor(named: "f32") }
    #expect(throws: Diagnostic.self) { try archive.tensor(named: "names") }
    #expect(throws: Diagnostic.self) { try archive.strings(named: "f32.x") }
  }

  /// In any order, from stored and from deflated arrays; what is damaged is found where it is read.
  @Test(arguments: [false, true]) func rowsAreThoseOfTheWholeArray(compressed: Bool) throws {
    let big = try Tensor(TensorType(.f32, [300, 4, 25])) { .f32(Float($0 % 97)) }
    var writer = NPZWriter(compressed: compressed)
    try writer.add("x", big)
    let bytes = writer.finish()
    let rows = try Self.open(bytes).rows(named: "x")
    #expect(rows.type == big.type)
    for range in [0..<1, 1..<3, 299..<300, 7..<7, 5..<60, 0..<300] {
      #expect(try rows.rows(range) == big.rows(range), "\(range)")
    }
    for range in [-1..<1, 299..<301] { #expect(throws: Diagnostic.self) { try rows.rows(range) } }
    guard compressed else { return }
    var damaged = bytes
    damaged[bytes.count / 2] ^= 0x10
    #expect(throws: Diagnostic.self) {
      let rows = try Self.open(damaged).rows(named: "x")
      _ = try rows.rows(0..<300)
    }
  }

  @Test func storedArraysAreWindowsOfTheFile() throws {
    let big = try Tensor(TensorType(.f32, [64, 100])) { .f32(Float($0)) }
    var writer = NPZWriter()
    try writer.add("x", big)
    let path = FileManager.default.temporaryDirectory.appending(path: "furc-\(UUID()).npz").path
    defer { try? FileManager.default.removeItem(atPath: path) }
    try writer.write(path)
    let x = try NPZArchive(path).tensor(named: "x")
    #expect(x == big && x.storage.count == writer.finish().count)
    let rows = try x.rows(3..<5)
    #expect(rows.storage === x.storage && rows.shape == [2, 100] && rows[0] == .f32(300))
  }

  /// Whatever a damaged file holds, the answer is a tensor or a finding about the input.
  private static func survives(_ bytes: [UInt8]) throws -> Bool {
    do {
      let archive = try open(bytes)
      for name in archive.names {
        do { _ = try archive.tensor(named: name).count } catch { try expectInputFault(error) }
        do { _ = try archive.strings(named: name).count } catch { try expectInputFault(error) }
      }
      return true
    } catch {
      try expectInputFault(error)
      return false
    }
  }

  private static func expectInputFault(_ error: any Error) throws {
    let diagnostic = try #require(error as? Diagnostic)
    #expect([65, 69].contains(diagnostic.kind.exitStatus), "\(diagnostic)")
  }

  @Test(arguments: [false, true]) func cutFilesAreRefused(compressed: Bool) throws {
    let bytes = try Self.archive(compressed: compressed)
    for cut in 0..<200 { #expect(try !Self.survives(Array(bytes.prefix(bytes.count * cut / 200)))) }
  }

  @Test(arguments: Seed.all) func damagedFilesNeverTrap(seed: Seed) throws {
    var random = seed.random
    let bytes = try Self.archive(compressed: seed.value % 2 == 0)
    for _ in 0..<2000 {
      var damaged = bytes
      // Half of the damage goes to headers and directory, where it decides more.
      let position =
        Bool.random(using: &random)
        ? Int.random(in: bytes.indices, using: &random)
        : Int.random(in: (bytes.count - 600)..<bytes.count, using: &random)
      damaged[position] ^= 1 << UInt8.random(in: 0..<8, using: &random)
      _ = try Self.survives(damaged)
    }
  }

  @Test func aFlippedBitOfTheContentIsFound() throws {
    var writer = NPZWriter()
    try writer.add("x", try Tensor(TensorType(.u8, [64])) { .i32(Int32($0)) })
    var bytes = writer.finish()
    bytes[200] ^= 1
    let archive = try Self.open(bytes)
    #expect(throws: Diagnostic.self) { try archive.tensor(named: "x") }
  }
}
