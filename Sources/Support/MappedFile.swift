import Glibc

/// A regular file mapped for reading, unmapped with the last reference. The bytes change when someone else
/// rewrites the file in place; this project replaces files by renaming.
public final class MappedFile: @unchecked Sendable {
  public let path: String
  public let base: UnsafeRawPointer
  public let count: Int

  /// - Throws: `inputMissing` if there is no such file, or it is a folder or cannot be read.
  public init(_ path: String) throws(Diagnostic) {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw Diagnostic(.inputMissing, "'\(path)': \(systemError(errno))") }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else {
      throw Diagnostic(.inputMissing, "'\(path)': \(systemError(errno))")
    }
    guard status.st_mode & S_IFMT == S_IFREG else {
      let what = status.st_mode & S_IFMT == S_IFDIR ? "is a folder" : "is not a regular file"
      throw Diagnostic(.inputMissing, "'\(path)' \(what)")
    }
    self.path = path
    count = Int(status.st_size)
    // An empty range cannot be mapped; one private page stands for it.
    let memory =
      count == 0
      ? mmap(nil, 1, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
      : mmap(nil, count, PROT_READ, MAP_PRIVATE, descriptor, 0)
    guard let memory, memory != MAP_FAILED else {
      throw Diagnostic(.inputMissing, "'\(path)' cannot be mapped: \(systemError(errno))")
    }
    base = UnsafeRawPointer(memory)
  }

  deinit { munmap(UnsafeMutableRawPointer(mutating: base), max(count, 1)) }

  /// Gives the memory of these bytes back to the system, which reads them from the file again where they are
  /// used again.
  public func release(_ range: Range<Int>) {
    let page = max(Int(sysconf(Int32(_SC_PAGESIZE))), 1)
    let first = (range.lowerBound + page - 1) / page * page
    let end = range.upperBound / page * page
    guard first >= 0, end <= count, first < end else { return }
    madvise(UnsafeMutableRawPointer(mutating: base + first), end - first, MADV_DONTNEED)
  }

  /// Valid as long as the file object is alive, which a use of the bytes alone does not keep it.
  public var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: base, count: count) }

  /// Calls `body` with the bytes and keeps them mapped meanwhile.
  public func withBytes<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
    withExtendedLifetime(self) { body(bytes) }
  }
}

/// The text of an `errno` value.
func systemError(_ number: Int32) -> String {
  strerror(number).map { String(cString: $0) } ?? "error \(number)"
}
