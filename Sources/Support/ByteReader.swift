/// A cursor over little-endian bytes of a file. Whatever lies outside them throws `malformedFile`.
public struct ByteReader {
  public let bytes: UnsafeRawBufferPointer
  /// From the start of `bytes`, 0 … count.
  public private(set) var position = 0
  /// What diagnostics call the bytes.
  public let name: String
  private let owner: AnyObject?

  /// - Parameter owner: what keeps the bytes alive, if the caller does not.
  public init(_ bytes: UnsafeRawBufferPointer, name: String = "the file", owner: AnyObject? = nil) {
    self.bytes = bytes
    self.name = name
    self.owner = owner
  }

  /// A copy of `bytes`.
  public init(_ bytes: [UInt8], name: String = "the file") {
    let copy = OwnedBytes(bytes)
    self.init(UnsafeRawBufferPointer(copy.memory), name: name, owner: copy)
  }

  public init(_ file: MappedFile) { self.init(file.bytes, name: "'\(file.path)'", owner: file) }

  public var remaining: Int { bytes.count - position }
  public var isAtEnd: Bool { remaining == 0 }

  public func malformed(_ message: String) -> Diagnostic { Diagnostic(.malformedFile, "\(name): \(message)") }

  public mutating func integer<Integer: FixedWidthInteger & BitwiseCopyable>(
    _: Integer.Type = Integer.self
  ) throws(Diagnostic) -> Integer {
    let bytes = try take(MemoryLayout<Integer>.size)
    return Integer(littleEndian: bytes.loadUnaligned(as: Integer.self))
  }

  /// A u64 that counts or measures something. - Throws: also where it exceeds 63 bits.
  public mutating func size() throws(Diagnostic) -> Int {
    let value = try integer(UInt64.self)
    guard let size = Int(exactly: value) else { throw malformed("\(value) is not a size") }
    return size
  }

  /// The next `count` bytes; they live as long as those of the reader.
  public mutating func take(_ count: Int) throws(Diagnostic) -> UnsafeRawBufferPointer {
    guard count >= 0, count <= remaining else {
      throw malformed("\(count) bytes at \(position) go beyond its \(bytes.count)")
    }
    defer { position += count }
    return UnsafeRawBufferPointer(rebasing: bytes[position..<(position + count)])
  }

  /// The next `count` bytes as UTF-8.
  public mutating func string(_ count: Int) throws(Diagnostic) -> String {
    let start = position
    guard let text = String(validating: try take(count), as: UTF8.self) else {
      throw malformed("the text at \(start) is not UTF-8")
    }
    return text
  }

  public mutating func skip(_ count: Int) throws(Diagnostic) { _ = try take(count) }

  public mutating func seek(to position: Int) throws(Diagnostic) {
    guard position >= 0, position <= bytes.count else {
      throw malformed("position \(position) lies beyond its \(bytes.count) bytes")
    }
    self.position = position
  }

  /// Moves to the next multiple of `alignment`; the bytes between must be zero.
  public mutating func align(to alignment: Int) throws(Diagnostic) {
    let start = position
    let padding = try take(position.paddingToMultiple(of: alignment))
    guard padding.allSatisfy({ $0 == 0 }) else { throw malformed("the padding at \(start) is not zero") }
  }
}

private final class OwnedBytes {
  let memory: UnsafeMutableRawBufferPointer

  init(_ bytes: [UInt8]) {
    memory = .allocate(byteCount: bytes.count, alignment: 16)
    memory.copyBytes(from: bytes)
  }

  deinit { memory.deallocate() }
}

extension Int {
  /// How far to the next multiple, 0 … multiple - 1. - Precondition: `self >= 0`, `multiple > 0`.
  @inlinable public func paddingToMultiple(of multiple: Int) -> Int {
    let over = self % multiple
    return over == 0 ? 0 : multiple - over
  }

  /// - Precondition: `self >= 0`, `multiple > 0`, and the result fits 63 bits.
  @inlinable public func roundedUp(toMultipleOf multiple: Int) -> Int {
    self + paddingToMultiple(of: multiple)
  }
}
