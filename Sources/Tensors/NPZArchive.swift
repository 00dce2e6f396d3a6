import Support

/// Named arrays of a `.npz` file. The file is mapped; a member is read when it is asked for, and arrays that
/// are stored uncompressed (`numpy.savez`) stay windows of the mapping.
public struct NPZArchive: Sendable {
  /// Without `.npy`, in the order of the file.
  public let names: [String]
  private let path: String
  private let archive: ZipArchive

  /// - Throws: `inputMissing`, `malformedFile`, `unsupportedFile`.
  public init(_ path: String) throws(Diagnostic) { try self.init(Storage(mapping: path), path: path) }

  /// - Parameter path: what diagnostics call it.
  public init(_ storage: Storage, path: String) throws(Diagnostic) {
    self.path = path
    archive = try ZipArchive(storage, name: "'\(path)'")
    names = archive.members.map { $0.name.hasSuffix(".npy") ? String($0.name.dropLast(4)) : $0.name }
    guard Set(names).count == names.count else {
      throw Diagnostic(.malformedFile, "'\(path)' names an array twice")
    }
  }

  public func contains(_ name: String) -> Bool { names.contains(name) }

  /// - Throws: `malformedFile`, also if there is no such array; `unsupportedFile` if it is not of numbers.
  public func tensor(named name: String) throws(Diagnostic) -> Tensor {
    let (storage, range) = try content(name)
    return try NPY.tensor(storage, range, name: "'\(path)', array '\(name)'")
  }

  /// The rows of an array, of which memory holds no more than are asked for at a time.
  /// - Throws: as `tensor(named:)`.
  public func rows(named name: String) throws(Diagnostic) -> NPZRows {
    let member = try member(name)
    if member.method != 0 {
      let cursor = try archive.cursor(member)
      let place = "'\(path)', array '\(name)'"
      if let rows = try NPZRows(streaming: cursor, name: place) { return rows }
    }
    return NPZRows(try tensor(named: name))
  }

  /// An array of text, flattened. - Throws: as `tensor(named:)`.
  public func strings(named name: String) throws(Diagnostic) -> [String] {
    let (storage, range) = try content(name)
    return try NPY.strings(storage, range, name: "'\(path)', array '\(name)'")
  }

  private func content(_ name: String) throws(Diagnostic) -> (Storage, Range<Int>) {
    try archive.content(try member(name))
  }

  private func member(_ name: String) throws(Diagnostic) -> ZipArchive.Member {
    guard let index = names.firstIndex(of: name) else {
      let some = names.prefix(8).joined(separator: ", ") + (names.count > 8 ? ", …" : "")
      throw Diagnostic(
        .malformedFile, "'\(path)' has no array '\(name)', but \(some.isEmpty ? "none" : some)")
    }
    return archive.members[index]
  }
}
