import Foundation
import Furc
import FurcCommands
import Support
import Synchronization

/// What a command line gave.
struct Outcome {
  let status: Int32
  let data: String
  let messages: String
  let arguments: [String]

  /// The one line that is a diagnostic, or nil where there are none or several.
  var diagnostic: String? {
    let lines = messages.split(separator: "\n").map(String.init)
    let found = lines.filter { $0.hasPrefix("error[F") }
    return found.count == 1 ? found[0] : nil
  }

  /// The data as an object of JSON, read by Foundation.
  var object: [String: Any] {
    (try? JSONSerialization.jsonObject(with: Data(data.utf8))) as? [String: Any] ?? [:]
  }
}

/// Runs a command line in this process.
func furc(_ arguments: [String]) -> Outcome {
  let data = Sink()
  let messages = Sink()
  let console = Console(data: { data.append($0) }, messages: { messages.append($0) })
  let status = FurcTool.run(arguments, console)
  return Outcome(status: status, data: data.text, messages: messages.text, arguments: arguments)
}

private final class Sink: Sendable {
  private let bytes = Mutex<[UInt8]>([])
  func append(_ more: [UInt8]) { bytes.withLock { $0 += more } }
  var text: String { bytes.withLock { String(decoding: $0, as: UTF8.self) } }
}

/// Files of the package, and a folder of this process that its end removes.
enum Files {
  static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent()
  static let digits = root.appending(path: "Samples/models/digits_cnn/digits_cnn.onnx").path
  static let calibration = root.appending(path: "Samples/models/digits_cnn/digits_cnn.calibration.npz").path
  static let labelled = root.appending(path: "Samples/models/digits_cnn/digits_cnn.labelled.npz").path
  static let cases = root.appending(path: "Samples/models/digits_cnn/digits_cnn.case.npz").path

  /// Where more models lie: the folder that `FURC_MODELS` names, or `shared/models` beside the checkout.
  static let shared =
    ProcessInfo.processInfo.environment["FURC_MODELS"].map { URL(filePath: $0) }
    ?? root.appending(path: "../shared/models").standardizedFileURL

  static let folder: String = {
    let path = FileManager.default.temporaryDirectory.appending(path: "furc-tests-\(getpid())").path
    try? FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    atexit { try? FileManager.default.removeItem(atPath: Files.folder) }
    return path
  }()

  static func path(_ name: String) -> String { "\(folder)/\(name)" }

  static func write(_ name: String, _ bytes: [UInt8]) throws -> String {
    try FileIO.writeAtomically(path(name), bytes)
    return path(name)
  }

  /// The digits model compiled for warboy, once.
  static let compiled: Outcome = furc([
    "compile", digits, "--target", "warboy", "--calibration", calibration, "-o", path("digits.fur"), "--json",
  ])
  static var binary: String {
    _ = compiled
    return path("digits.fur")
  }
}
