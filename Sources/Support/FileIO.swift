import Glibc

/// Whole files.
public enum FileIO {
  /// The bytes of a regular file. - Throws: `inputMissing`.
  public static func readBytes(_ path: String) throws(Diagnostic) -> [UInt8] {
    try MappedFile(path).withBytes { [UInt8]($0) }
  }

  /// The text of a UTF-8 file. - Throws: `inputMissing`, or `malformedFile` if it is not UTF-8.
  public static func readText(_ path: String) throws(Diagnostic) -> String {
    guard let text = String(validating: try readBytes(path), as: UTF8.self) else {
      throw Diagnostic(.malformedFile, "'\(path)' is not UTF-8 text")
    }
    return text
  }

  /// Writes beside the file and renames, so that nobody sees half a file and a failure leaves the old one.
  /// - Throws: `cannotWrite`; nothing of ours is left behind then.
  public static func writeAtomically(_ path: String, _ bytes: [UInt8]) throws(Diagnostic) {
    try writeAtomically(path) { write throws(Diagnostic) in
      try bytes.withUnsafeBytes { all in Result { () throws(Diagnostic) in try write(all) } }.get()
    }
  }

  public static func writeAtomically(_ path: String, _ text: String) throws(Diagnostic) {
    try writeAtomically(path, Array(text.utf8))
  }

  /// The same for content produced in pieces: `produce` calls its argument for each of them, in order.
  /// What `produce` throws passes through after the temporary file is removed.
  public static func writeAtomically(
    _ path: String,
    _ produce: ((UnsafeRawBufferPointer) throws(Diagnostic) -> Void) throws(Diagnostic) -> Void
  ) throws(Diagnostic) {
    let temporary = "\(path).\(getpid()).tmp"
    // Created anew, so that two writers never share it and a planted link is not followed.
    let flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC
    var descriptor = open(temporary, flags, 0o666)
    if descriptor < 0, errno == EEXIST, unlink(temporary) == 0 { descriptor = open(temporary, flags, 0o666) }
    guard descriptor >= 0 else { throw cannotWrite(path) }
    let opened = descriptor
    do throws(Diagnostic) {
      do throws(Diagnostic) {
        try produce { (bytes) throws(Diagnostic) in try writeAll(bytes, to: opened, path) }
      } catch {
        close(opened)
        throw error
      }
      guard close(opened) == 0, rename(temporary, path) == 0 else { throw cannotWrite(path) }
    } catch {
      unlink(temporary)
      throw error
    }
  }

  private static func writeAll(
    _ bytes: UnsafeRawBufferPointer, to descriptor: Int32, _ path: String
  ) throws(Diagnostic) {
    var rest = bytes[...]
    while !rest.isEmpty {
      let written = write(descriptor, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
      if written < 0, errno == EINTR { continue }
      guard written > 0 else { throw cannotWrite(path) }
      rest = rest.dropFirst(written)
    }
  }

  private static func cannotWrite(_ path: String) -> Diagnostic {
    Diagnostic(.cannotWrite, "'\(path)': \(systemError(errno))")
  }
}
