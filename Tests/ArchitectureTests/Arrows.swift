import Foundation

/// The arrows of `Docs/architecture.md`: which module may import which.
struct Arrows {
  /// Direct arrows, in the order of the page.
  let direct: [(module: String, targets: [String])]

  static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent()

  /// The block ```` ```arrows ```` of the page.
  init() throws {
    let page = try String(contentsOf: Self.root.appending(path: "Docs/architecture.md"), encoding: .utf8)
    let lines = page.split(separator: "\n", omittingEmptySubsequences: false)
    let start = lines.firstIndex(of: "```arrows").map { $0 + 1 } ?? lines.endIndex
    let end = lines[start...].firstIndex(of: "```") ?? lines.endIndex
    direct = lines[start..<end].map { line in
      let sides = line.components(separatedBy: "->")
      let targets = sides.count > 1 ? sides[1].split(separator: " ").map(String.init) : []
      return (sides[0].trimmingCharacters(in: .whitespaces), targets)
    }
  }

  var modules: [String] { direct.map(\.module) }

  /// All modules that `module` reaches, over others too.
  func reach(of module: String) -> Set<String> {
    var found: Set<String> = []
    var open = [module]
    while let next = open.popLast() {
      for target in direct.first(where: { $0.module == next })?.targets ?? []
      where found.insert(target).inserted { open.append(target) }
    }
    return found
  }
}
