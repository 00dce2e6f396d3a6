import Foundation
import Testing

/// Holds the package's own description to the arrows. `Tools/test` makes the dump beforehand, since asking
/// SwiftPM for it inside a test would wait for the very process that runs the test.
struct PackageTests {
  private struct Dump: Decodable {
    struct Target: Decodable {
      let name: String
      let type: String
      let dependencies: [Dependency]
    }

    /// `{"byName": ["Support", null]}`, `{"product": ["Yams", "Yams", null, null]}` and the like.
    struct Dependency: Decodable {
      let name: String

      init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let entries = try container.decode([String: [Part]].self)
        name = entries.values.first?.first?.text ?? ""
      }
    }

    struct Part: Decodable {
      let text: String?
      init(from decoder: any Decoder) throws {
        text = try? decoder.singleValueContainer().decode(String.self)
      }
    }

    let targets: [Target]
  }

  @Test func dependenciesFollowTheArrows() throws {
    let chosen = ProcessInfo.processInfo.environment["FURC_PACKAGE_DUMP"]
    let path = chosen ?? Arrows.root.appending(path: ".build/package.json").path
    guard let data = FileManager.default.contents(atPath: path) else {
      print("skipped: no package dump at \(path); Tools/test makes one")
      return
    }
    let dump = try JSONDecoder().decode(Dump.self, from: data)
    let arrows = try Arrows()
    let outside = ["CNettle", "CZlib", "Yams", "ArgumentParser"]
    let sources = dump.targets.filter { $0.type == "regular" || $0.type == "executable" }
    #expect(sources.count >= arrows.modules.count)
    for target in sources where arrows.modules.contains(target.name) {
      let reach = arrows.reach(of: target.name)
      for dependency in target.dependencies where !outside.contains(dependency.name) {
        #expect(reach.contains(dependency.name), "\(target.name) depends on \(dependency.name)")
      }
    }
  }
}
