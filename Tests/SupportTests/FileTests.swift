import Foundation
import Support
import Testing

struct FileTests {
  /// A fresh folder, removed after `body`.
  private static func inFolder(_ body: (String) throws -> Void) throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: "furc-\(UUID())")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    try body(folder.path)
  }

  private static func list(_ folder: String) throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
  }

  private static func kind(_ body: () throws -> Void) -> Diagnostic.Kind? {
    do { try body() } catch { return (error as? Diagnostic)?.kind }
    return nil
  }

  @Test func writingReplacesAndReadingReturnsIt() throws {
    try Self.inFolder { folder in
      let path = folder + "/a"
      for content in [[UInt8](repeating: 7, count: 100_000), [], [1, 2, 3]] {
        try FileIO.writeAtomically(path, content)
        #expect(try FileIO.readBytes(path) == content)
        #expect(try MappedFile(path).withBytes { Array($0) } == content)
      }
      try FileIO.writeAtomically(path, "Grüße")
      #expect(try FileIO.readText(path) == "Grüße")
      try FileIO.writeAtomically(path, [0xFF])
      #expect(Self.kind { _ = try FileIO.readText(path) } == .malformedFile)
      #expect(try Self.list(folder) == ["a"])
    }
  }

  @Test func aFailureLeavesTheOldFileAndNothingElse() throws {
    try Self.inFolder { folder in
      let path = folder + "/a"
      try FileIO.writeAtomically(path, "old")
      func interrupted() throws(Diagnostic) {
        try FileIO.writeAtomically(path) { write throws(Diagnostic) in
          let half = Array("half".utf8)
          try half.withUnsafeBytes { bytes in Result { () throws(Diagnostic) in try write(bytes) } }.get()
          throw Diagnostic(.syntax, "interrupted")
        }
      }
      #expect(Self.kind { try interrupted() } == .syntax)
      #expect(try FileIO.readText(path) == "old")
      #expect(Self.kind { try FileIO.writeAtomically(folder + "/none/a", "x") } == .cannotWrite)
      // A folder cannot be replaced by a file.
      #expect(Self.kind { try FileIO.writeAtomically(folder, "x") } == .cannotWrite)
      #expect(try Self.list(folder) == ["a"])
      let parent = URL(filePath: folder).deletingLastPathComponent().path
      #expect(try !Self.list(parent).contains { $0.hasPrefix(URL(filePath: folder).lastPathComponent + ".") })
    }
  }

  @Test func aLeftoverTemporaryFileIsNoObstacle() throws {
    try Self.inFolder { folder in
      let path = folder + "/a"
      try Data([9]).write(to: URL(filePath: "\(path).\(getpid()).tmp"))
      try FileIO.writeAtomically(path, "new")
      #expect(try FileIO.readText(path) == "new" && Self.list(folder) == ["a"])
    }
  }

  @Test func unreadableInputsAreNamed() throws {
    try Self.inFolder { folder in
      #expect(Self.kind { _ = try MappedFile(folder + "/none") } == .inputMissing)
      #expect(Self.kind { _ = try MappedFile(folder) } == .inputMissing)
      #expect(Self.kind { _ = try MappedFile("/dev/null") } == .inputMissing)
      #expect(Diagnostic.Kind.inputMissing.exitStatus == 66 && Diagnostic.Kind.cannotWrite.exitStatus == 74)
    }
  }
}
