import Support

/// The file `.fur`: named sections of bytes under one digest. What a section holds is the business of those
/// who wrote it. Layout, all little-endian:
///
/// | bytes | |
/// |---|---|
/// | 0 | magic, 8 bytes |
/// | 8 | format major, minor: u16 each |
/// | 12 | number of sections: u32 |
/// | 16 | size of the file: u64 |
/// | 24 | SHA-256 of the instruction set's page |
/// | 56 | SHA-256 of the target's file |
/// | 88 | SHA-256 of the whole file, these 32 bytes as zero |
/// | 120 | per section: offset u64, size u64, CRC-32 u32, bytes of its name u32, the name, zeros to a multiple of 8 |
///
/// Sections follow in order, each at the next multiple of 64, zeros between; the file ends with the last.
public struct Container: Hashable, Sendable {
  public struct Section: Hashable, Sendable {
    public var name: String
    public var bytes: [UInt8]

    public init(_ name: String, _ bytes: [UInt8]) {
      self.name = name
      self.bytes = bytes
    }
  }

  public static let major: UInt16 = 1
  public static let minor: UInt16 = 0
  static let magic: [UInt8] = [0x89, 0x66, 0x75, 0x72, 0x0D, 0x0A, 0x1A, 0x0A]
  static let digestOffset = 88
  static let headerBytes = 120
  static let alignment = 64

  /// 32 bytes.
  public var instructionSet: [UInt8]
  /// 32 bytes.
  public var target: [UInt8]
  public var sections: [Section]

  public init(instructionSet: Digest, target: Digest, sections: [Section]) {
    self.instructionSet = instructionSet.bytes
    self.target = target.bytes
    self.sections = sections
  }

  /// The first section of that name.
  public func section(_ name: String) -> [UInt8]? { sections.first { $0.name == name }?.bytes }

  /// The file. Equal containers give equal bytes.
  public func encoded() -> [UInt8] {
    var out = ByteWriter()
    out.append(Self.magic)
    out.integer(Self.major)
    out.integer(Self.minor)
    out.integer(UInt32(sections.count))
    out.integer(UInt64(0))
    out.append(instructionSet)
    out.append(target)
    out.append([UInt8](repeating: 0, count: 32))
    var entries: [Int] = []
    for section in sections {
      entries.append(out.count)
      out.integer(UInt64(0))
      out.integer(UInt64(section.bytes.count))
      out.integer(CRC32.of(section.bytes))
      out.integer(UInt32(section.name.utf8.count))
      out.append(section.name)
      out.align(to: 8)
    }
    for (entry, section) in zip(entries, sections) {
      out.align(to: Self.alignment)
      out.patch(UInt64(out.count), at: entry)
      out.append(section.bytes)
    }
    out.patch(UInt64(out.count), at: 16)
    let digest = Digest.sha256(out.bytes)
    for (index, byte) in digest.bytes.enumerated() { out.patch(byte, at: Self.digestOffset + index) }
    return out.bytes
  }
}

extension Container {
  /// - Parameter name: what diagnostics call the bytes.
  /// - Throws: `malformedContainer` unless `bytes` are exactly what `encoded` makes of the result.
  public init(decoding bytes: [UInt8], name: String) throws(Diagnostic) {
    do { self = try Self.decode(bytes, name: name) } catch {
      throw Diagnostic(.malformedContainer, error.message, help: error.help)
    }
  }

  private static func decode(_ bytes: [UInt8], name: String) throws(Diagnostic) -> Container {
    var reader = ByteReader(bytes, name: name)
    guard bytes.count >= headerBytes, try reader.take(8).elementsEqual(magic) else {
      throw reader.malformed("it is no compiled program")
    }
    let (fileMajor, fileMinor) = (try reader.integer(UInt16.self), try reader.integer(UInt16.self))
    guard fileMajor == major, fileMinor <= minor else {
      throw reader.malformed("format \(fileMajor).\(fileMinor), read is \(major).\(minor)")
    }
    let count = try reader.integer(UInt32.self)
    let size = try reader.size()
    guard size == bytes.count else {
      throw reader.malformed("it says \(size) bytes and has \(bytes.count)")
    }
    let instructionSet = Array(try reader.take(32))
    let target = Array(try reader.take(32))
    let digest = Array(try reader.take(32))
    var zeroed = bytes
    for index in 0..<32 { zeroed[digestOffset + index] = 0 }
    guard Digest.sha256(zeroed).bytes == digest else {
      throw reader.malformed("its digest does not fit its contents: it was changed or damaged")
    }
    var entries: [(offset: Int, size: Int, crc: UInt32, name: String)] = []
    for _ in 0..<count {
      let (offset, size) = (try reader.size(), try reader.size())
      let (crc, length) = (try reader.integer(UInt32.self), try reader.integer(UInt32.self))
      entries.append((offset, size, crc, try reader.string(Int(length))))
      try reader.align(to: 8)
    }
    var sections: [Section] = []
    for entry in entries {
      try reader.align(to: alignment)
      guard reader.position == entry.offset else {
        throw reader.malformed("section '\(entry.name)' is at \(reader.position), not at \(entry.offset)")
      }
      let content = Array(try reader.take(entry.size))
      guard CRC32.of(content) == entry.crc else {
        throw reader.malformed("section '\(entry.name)' does not fit its checksum")
      }
      sections.append(Section(entry.name, content))
    }
    guard reader.isAtEnd else { throw reader.malformed("\(reader.remaining) bytes follow the last section") }
    var container = Container(
      instructionSet: .sha256([UInt8]()), target: .sha256([UInt8]()), sections: sections)
    container.instructionSet = instructionSet
    container.target = target
    return container
  }
}
