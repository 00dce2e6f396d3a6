import Foundation
import Testing

/// Holds the import lines of the sources to the arrows.
struct ImportTests {
  /// Modules from elsewhere, and who may import them; nil means everyone.
  private static let outside: [(name: String, importers: [String]?)] = [
    ("Glibc", nil), ("Dispatch", nil), ("Synchronization", nil),
    ("Foundation", ["TargetFiles", "Furc", "FurcCommands", "furc"]),
    ("Yams", ["TargetFiles"]),
    ("ArgumentParser", ["FurcCommands"]),
    ("CNettle", ["Support"]),
    ("CZlib", ["Support", "Tensors"]),
  ]

  /// The module of an import line, or nil for other lines.
  static func imported(_ line: Substring) -> String? {
    let words = line.split(separator: " ").map(String.init)
    let attributes = words.prefix { $0.hasPrefix("@") || ["public", "package", "internal"].contains($0) }
    guard words.count > attributes.count + 1, words[attributes.count] == "import" else { return nil }
    let kinds = ["struct", "class", "enum", "func", "var", "let", "protocol", "typealias"]
    let rest = words[(attributes.count + 1)...].drop { kinds.contains($0) }
    return rest.first.map { String($0.prefix { $0 != "." && $0 != ";" }) }
  }

  @Test(arguments: ["import A", "@testable import A", "public import A", "import struct A.B", "import A.B"])
  func readsImportLines(_ line: String) { #expect(Self.imported(Substring(line)) == "A") }

  @Test(arguments: ["// import A", "importA", "let import = A", ""])
  func passesOtherLines(_ line: String) { #expect(Self.imported(Substring(line)) == nil) }

  @Test func everyModuleHasItsArrows() throws {
    let folder = Arrows.root.appending(path: "Sources")
    let found = try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
    let swift = found.filter { !$0.hasPrefix("C") }
    #expect(try Arrows().modules.sorted() == swift)
  }

  @Test func sourcesImportAlongTheArrows() throws {
    let arrows = try Arrows()
    var files = 0
    for module in arrows.modules {
      let reach = arrows.reach(of: module)
      let folder = Arrows.root.appending(path: "Sources/\(module)")
      let paths = FileManager.default.enumerator(atPath: folder.path)?.compactMap { $0 as? String } ?? []
      for path in paths.sorted() where path.hasSuffix(".swift") {
        files += 1
        let text = try String(contentsOf: folder.appending(path: path), encoding: .utf8)
        for line in text.split(separator: "\n") {
          guard let name = Self.imported(line) else { continue }
          let isAllowed =
            Self.outside.first { $0.name == name }.map { $0.importers?.contains(module) ?? true }
            ?? reach.contains(name)
          #expect(isAllowed, "\(module)/\(path) imports \(name)")
        }
      }
    }
    #expect(files > 100)
  }

  @Test(arguments: ["NPUInterpreter", "NPUChecker"])
  func aProofNeverReachesTheCompiler(_ module: String) throws {
    let reach = try Arrows().reach(of: module)
    #expect(reach.contains("NPUISA"))
    #expect(reach.isDisjoint(with: ["NPUCompiler", "Furc", "FurcCommands"]))
  }
}
