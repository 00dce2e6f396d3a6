import Furc
import Glibc
import Support

/// Where a verb writes: data and diagnostics, apart.
public final class Console: Sendable {
  private let data: @Sendable ([UInt8]) -> Void
  private let messages: @Sendable ([UInt8]) -> Void
  private let isColored: Bool
  /// Whether messages go to a terminal, where a line may be written over.
  private let isTerminal: Bool

  public init(
    isColored: Bool = false, isTerminal: Bool = false, data: @escaping @Sendable ([UInt8]) -> Void,
    messages: @escaping @Sendable ([UInt8]) -> Void
  ) {
    self.isColored = isColored
    self.isTerminal = isTerminal
    self.data = data
    self.messages = messages
  }

  /// The process's own streams. Colors only on a terminal, and not with `NO_COLOR`.
  public static func standard() -> Console {
    let isTerminal = isatty(STDERR_FILENO) == 1
    return Console(
      isColored: isTerminal && getenv("NO_COLOR") == nil, isTerminal: isTerminal,
      data: { writeAll($0, to: STDOUT_FILENO) },
      messages: { writeAll($0, to: STDERR_FILENO) })
  }

  /// A line of data.
  public func print(_ line: String) { data(Array((line + "\n").utf8)) }

  public func print(_ json: JSON) { print(json.text) }

  /// Data as it is.
  public func write(_ bytes: [UInt8]) { data(bytes) }

  /// A line for people, on the side of the diagnostics.
  public func note(_ line: String) { messages(Array((line + "\n").utf8)) }

  /// A bar that each call draws anew and the last one clears; nothing where messages do not go to a terminal.
  public func progress(_ what: String, _ done: Int, of all: Int) {
    guard isTerminal, all > 0 else { return }
    let width = 30
    let filled = min(done, all) * width / all
    let bar = String(repeating: "#", count: filled) + String(repeating: ".", count: width - filled)
    messages(Array("\r\u{1B}[K".utf8))
    if done < all { messages(Array("\(what) [\(bar)] \(done)/\(all)".utf8)) }
  }

  /// One finding on one line.
  /// - Parameter file: named in the line where the finding itself does not.
  public func report(_ finding: Diagnostic, file: String? = nil) {
    let isError = finding.kind.severity == .error
    let word = "\(finding.kind.severity.rawValue)[\(finding.kind.code)]"
    let head = isColored ? "\u{1B}[\(isError ? 31 : 33)m\(word)\u{1B}[0m" : word
    var place = ""
    if let file, !finding.message.contains(file) { place = " \(file)" }
    if finding.location != .unknown { place += "\(place.isEmpty ? "" : ":") \(finding.location)" }
    let message = finding.message.split(separator: "\n").joined(separator: " ")
    let help = finding.help.map { " — help: \($0)" } ?? ""
    note("\(head)\(place): \(message)\(help)")
  }
}

private func writeAll(_ bytes: [UInt8], to descriptor: Int32) {
  bytes.withUnsafeBytes { all in
    var rest = all[...]
    while !rest.isEmpty {
      let written = Glibc.write(descriptor, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
      if written < 0, errno == EINTR { continue }
      // A reader that went away, as `head` does, is no failure of ours.
      guard written > 0 else { return }
      rest = rest.dropFirst(written)
    }
  }
}
