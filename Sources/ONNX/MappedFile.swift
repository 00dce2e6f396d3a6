import Glibc
import Support
import Tensors

/// Files as storage, without reading them.
enum MappedFile {
  /// The bytes of the regular file at `path`, mapped for as long as anything refers to them.
  /// - Throws: `missingFile`.
  static func map(_ path: String) throws(Diagnostic) -> Storage {
    let file = open(path, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { throw failure(path) }
    defer { close(file) }
    var status = stat()
    guard fstat(file, &status) == 0 else { throw failure(path) }
    guard status.st_mode & S_IFMT == S_IFREG else {
      throw Diagnostic(.missingFile, "'\(path)' is not a regular file")
    }
    let count = Int(status.st_size)
    guard count > 0 else { return Storage(count: 0) { _ in } }
    guard let base = mmap(nil, count, PROT_READ, MAP_PRIVATE, file, 0), base != MAP_FAILED else {
      throw failure(path)
    }
    let address = UInt(bitPattern: base)
    return Storage(UnsafeRawPointer(base), count: count) {
      munmap(UnsafeMutableRawPointer(bitPattern: address), count)
    }
  }

  private static func failure(_ path: String) -> Diagnostic {
    Diagnostic(.missingFile, "'\(path)' cannot be read: \(String(cString: strerror(errno)))")
  }
}
