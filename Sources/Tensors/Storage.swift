import Support

/// Immutable bytes that tensors share: owned, or a window of a mapped file that stays mapped as long as
/// any tensor refers to it.
public final class Storage: @unchecked Sendable {
  @usableFromInline let base: UnsafeRawPointer
  public let count: Int
  private let release: () -> Void
  private let file: MappedFile?

  /// - Parameter release: called once, when nothing refers to the bytes any more.
  public init(_ base: UnsafeRawPointer, count: Int, release: @escaping () -> Void) {
    self.base = base
    self.count = count
    self.release = release
    file = nil
  }

  /// `count` bytes, zero before `fill` writes them, aligned to 64.
  public convenience init<Failure: Error>(
    count: Int, fill: (UnsafeMutableRawBufferPointer) throws(Failure) -> Void
  ) throws(Failure) {
    let memory = UnsafeMutableRawPointer.allocate(byteCount: max(count, 1), alignment: 64)
    memory.initializeMemory(as: UInt8.self, repeating: 0, count: max(count, 1))
    do {
      try fill(UnsafeMutableRawBufferPointer(start: memory, count: count))
    } catch {
      memory.deallocate()
      throw error
    }
    self.init(UnsafeRawPointer(memory), count: count) { memory.deallocate() }
  }

  /// The bytes of a mapped file, which stays mapped as long as the storage lives.
  public init(_ file: MappedFile) {
    base = file.base
    count = file.count
    release = {}
    self.file = file
  }

  /// Gives the memory of these bytes back to the system if they are those of a file, which has them still.
  func releasePages(_ range: Range<Int>) { file?.release(range) }

  /// Maps a file for reading. - Throws: `inputMissing`.
  public convenience init(mapping path: String) throws(Diagnostic) { self.init(try MappedFile(path)) }

  deinit { release() }

  @inlinable public var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: base, count: count) }
}
