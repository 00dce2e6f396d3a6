import Foundation
import Support
import Tensors
import Testing

/// The data of real models, written by NumPy: in the folder that `FURC_MODELS` names, or in `shared/models`
/// beside the checkout.
struct ExistingFilesTests {
  static let archives: [URL] = {
    let checkout = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    let folder =
      ProcessInfo.processInfo.environment["FURC_MODELS"].map { URL(filePath: $0) }
      ?? checkout.deletingLastPathComponent().appending(path: "shared/models")
    let files = FileManager.default.enumerator(at: folder, includingPropertiesForKeys: nil)
    return (files?.allObjects as? [URL] ?? []).filter { $0.pathExtension == "npz" }
      .sorted { $0.path < $1.path }
  }()

  @Test(.enabled(if: !archives.isEmpty, "no models beside the checkout"))
  func allModelDataIsReadable() throws {
    var elements = 0
    for url in Self.archives {
      let archive = try NPZArchive(url.path)
      #expect(!archive.names.isEmpty)
      for name in archive.names {
        if name.hasSuffix("names") {
          #expect(try archive.strings(named: name).allSatisfy { !$0.isEmpty })
        } else {
          elements += try archive.tensor(named: name).count
        }
      }
    }
    #expect(elements > 0)
  }
}
