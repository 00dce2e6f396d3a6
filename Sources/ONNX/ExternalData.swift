import Glibc
import Support
import Tensors

/// Files beside the model that hold tensors, each mapped once. None outside the model's folder is opened.
struct ExternalData {
  /// Of the model, or nil for a model without a file.
  let folder: String?
  private var files: [String: Storage] = [:]

  init(folder: String?) { self.folder = folder }

  /// The bytes that the entries of TensorProto.external_data name.
  /// - Throws: `externalData`, `inputMissing`.
  mutating func bytes(_ entries: [(key: String, value: String)]) throws(Diagnostic) -> (Storage, Range<Int>) {
    func entry(_ key: String) -> String? { entries.last { $0.key == key }?.value }
    func number(_ key: String) throws(Diagnostic) -> Int? {
      guard let text = entry(key) else { return nil }
      guard let value = Int(text), value >= 0 else {
        throw Diagnostic(.externalData, "the \(key) '\(text)' of external data is not a size")
      }
      return value
    }
    guard let location = entry("location"), !location.isEmpty else {
      throw Diagnostic(.externalData, "external data has no location")
    }
    let offset = try number("offset") ?? 0
    let length = try number("length")
    let file = try map(location)
    guard offset <= file.count, length ?? 0 <= file.count - offset else {
      throw Diagnostic(
        .externalData,
        "external data at \(offset)\(length.map { " of \($0) bytes" } ?? "") exceeds '\(location)' of "
          + "\(file.count) bytes")
    }
    return (file, offset..<(offset + (length ?? file.count - offset)))
  }

  private mutating func map(_ location: String) throws(Diagnostic) -> Storage {
    if let file = files[location] { return file }
    guard let folder else {
      throw Diagnostic(.externalData, "'\(location)' is external data of a model that lies in no folder")
    }
    let escapes = Diagnostic(.externalData, "external data '\(location)' leaves the model's folder")
    guard Self.staysInside(location) else { throw escapes }
    let root = try Self.resolved(folder)
    let path = try Self.resolved(folder + "/" + location)
    guard path.hasPrefix(root == "/" ? root : root + "/") else { throw escapes }
    let file = try Storage(mapping: path)
    files[location] = file
    return file
  }

  /// Whether a relative path never climbs above its start; what lies outside is not even looked for.
  private static func staysInside(_ path: String) -> Bool {
    var depth = 0
    for part in path.split(separator: "/") where part != "." {
      depth += part == ".." ? -1 : 1
      if depth < 0 { return false }
    }
    return !path.hasPrefix("/")
  }

  /// Without links and dots.
  private static func resolved(_ path: String) throws(Diagnostic) -> String {
    guard let resolved = realpath(path, nil) else {
      throw Diagnostic(.inputMissing, "'\(path)' cannot be read: \(String(cString: strerror(errno)))")
    }
    defer { free(resolved) }
    return String(cString: resolved)
  }
}
