import CZlib
import Support

/// The members of a zip file, read from its central directory alone. Sizes above 4 GiB (zip64) are read;
/// encryption, several volumes and methods other than stored and deflate are refused.
struct ZipArchive {
  struct Member {
    let name: String
    let method: UInt16
    let crc: UInt32
    let compressedSize: Int
    let size: Int
    let headerOffset: Int
  }

  /// In the order of the directory; names are unique.
  let members: [Member]
  private let storage: Storage
  private let name: String
  /// Where the members end and the directory begins.
  private let directoryOffset: Int

  /// - Throws: `malformedFile`, `unsupportedFile`.
  init(_ storage: Storage, name: String) throws(Diagnostic) {
    self.storage = storage
    self.name = name
    var reader = ByteReader(storage.bytes, name: name, owner: storage)
    let directory = try Directory(&reader)
    directoryOffset = directory.offset
    guard directory.offset <= storage.count, directory.size <= storage.count - directory.offset else {
      throw reader.malformed("the zip directory lies outside the file")
    }
    try reader.seek(to: directory.offset)
    var members: [Member] = []
    var names: Set<String> = []
    while reader.position < directory.offset + directory.size {
      let member = try Self.member(&reader)
      guard names.insert(member.name).inserted else {
        throw reader.malformed("the zip directory names '\(member.name)' twice")
      }
      members.append(member)
    }
    guard members.count == directory.count else {
      throw reader.malformed("the zip directory lists \(members.count) of \(directory.count) members")
    }
    self.members = members
  }

  /// The content of a member: a window of the file if it is stored, else memory of its own.
  /// - Throws: `malformedFile`, also if the checksum differs or the size is not believable.
  func content(_ member: Member) throws(Diagnostic) -> (Storage, Range<Int>) {
    let range = try data(member)
    let content: (Storage, Range<Int>)
    if member.method == 0 {
      content = (storage, range)
    } else {
      let data = UnsafeRawBufferPointer(rebasing: storage.bytes[range])
      let inflated = withExtendedLifetime(storage) { Deflate.inflate(data, count: member.size) }
      guard let inflated else { throw malformed(member, "its compressed bytes are damaged") }
      content = (inflated, 0..<member.size)
    }
    guard checksum(content.0, content.1) == member.crc else {
      throw malformed(member, "its checksum differs")
    }
    return content
  }

  /// In pieces, so that a large file does not stay in memory because it was looked at once.
  private func checksum(_ storage: Storage, _ range: Range<Int>) -> UInt32 {
    var sum: UInt32 = 0
    for start in stride(from: range.lowerBound, to: range.upperBound, by: Self.piece) {
      let part = start..<min(start + Self.piece, range.upperBound)
      withExtendedLifetime(storage) {
        sum = CRC32.adding(UnsafeRawBufferPointer(rebasing: storage.bytes[part]), to: sum)
      }
      if range.count > 2 * Self.piece { storage.releasePages(part) }
    }
    return sum
  }

  private static let piece = 1 << 24

  /// Where the bytes of a member lie in the file, deflated or not.
  /// - Throws: `malformedFile`, also if the size is not believable.
  func data(_ member: Member) throws(Diagnostic) -> Range<Int> {
    var reader = ByteReader(storage.bytes, name: "\(name), member '\(member.name)'", owner: storage)
    try reader.seek(to: member.headerOffset)
    guard try reader.integer(UInt32.self) == 0x0403_4B50 else { throw reader.malformed("has no zip header") }
    try reader.skip(22)
    let nameLength = Int(try reader.integer(UInt16.self))
    let extraLength = Int(try reader.integer(UInt16.self))
    guard try reader.take(nameLength).elementsEqual(member.name.utf8) else {
      throw reader.malformed("has another name in its zip header")
    }
    try reader.skip(extraLength)
    try reader.skip(member.compressedSize)
    let range = (reader.position - member.compressedSize)..<reader.position
    guard range.upperBound <= directoryOffset else { throw reader.malformed("overlaps the zip directory") }
    if member.method == 0 {
      guard member.size == member.compressedSize else { throw reader.malformed("is stored with two sizes") }
    } else {
      // Deflate cannot exceed 1032 to 1; a larger claim would only make us allocate.
      let (limit, overflow) = member.compressedSize.multipliedReportingOverflow(by: 1000)
      guard overflow || member.size - (64 << 20) <= limit else {
        throw reader.malformed("claims \(member.size) bytes from \(member.compressedSize) compressed ones")
      }
    }
    return range
  }

  func malformed(_ member: Member, _ what: String) -> Diagnostic {
    ByteReader(storage.bytes, name: "\(name), member '\(member.name)'", owner: storage).malformed(what)
  }

  /// The bytes of a deflated member, one after the other.
  /// - Throws: as `data`.
  func cursor(_ member: Member) throws(Diagnostic) -> InflateCursor {
    InflateCursor(storage, try data(member), size: member.size, crc: member.crc)
  }

  private static func member(_ reader: inout ByteReader) throws(Diagnostic) -> Member {
    guard try reader.integer(UInt32.self) == 0x0201_4B50 else {
      throw reader.malformed("the zip directory is damaged before \(reader.position)")
    }
    try reader.skip(4)
    let flags = try reader.integer(UInt16.self)
    let method = try reader.integer(UInt16.self)
    try reader.skip(4)
    let crc = try reader.integer(UInt32.self)
    var sizes = [try reader.integer(UInt32.self), try reader.integer(UInt32.self)]
    let lengths = [
      try reader.integer(UInt16.self), try reader.integer(UInt16.self), try reader.integer(UInt16.self),
    ]
    try reader.skip(8)
    sizes.append(try reader.integer(UInt32.self))
    let name = try reader.string(Int(lengths[0]))
    var extra = ByteReader(try reader.take(Int(lengths[1])), name: reader.name)
    try reader.skip(Int(lengths[2]))
    let wide = try wideSizes([sizes[1], sizes[0], sizes[2]], &extra)
    guard flags & 0x2041 == 0, method == 0 || method == 8 else {
      let what = flags & 0x2041 != 0 ? "encryption" : "compression method \(method)"
      throw Diagnostic(
        .unsupportedFile, "\(reader.name), member '\(name)': \(what); stored and deflate are read")
    }
    return Member(
      name: name, method: method, crc: crc, compressedSize: wide[1], size: wide[0], headerOffset: wide[2])
  }

  /// Replaces each size of all ones by the next one in the zip64 extra field.
  /// - Parameter sizes: that of the content, the compressed one, the offset; the order of the field.
  private static func wideSizes(
    _ sizes: [UInt32], _ extra: inout ByteReader
  ) throws(Diagnostic) -> [Int] {
    guard sizes.contains(.max) else { return sizes.map { Int($0) } }
    while extra.remaining >= 4 {
      let tag = try extra.integer(UInt16.self)
      var field = ByteReader(try extra.take(Int(try extra.integer(UInt16.self))), name: extra.name)
      guard tag == 1 else { continue }
      var wide: [Int] = []
      for size in sizes { wide.append(size == .max ? try field.size() : Int(size)) }
      return wide
    }
    throw extra.malformed("a zip64 size is missing")
  }

  /// The end record of the central directory, which is the last thing in the file but for a comment.
  private struct Directory {
    var count: Int
    var size: Int
    var offset: Int

    init(_ reader: inout ByteReader) throws(Diagnostic) {
      let end = try Self.locate(reader)
      try reader.seek(to: end + 4)
      let volume = try reader.integer(UInt32.self)
      let counts = [try reader.integer(UInt16.self), try reader.integer(UInt16.self)]
      let small = [try reader.integer(UInt32.self), try reader.integer(UInt32.self)]
      guard volume == 0 || volume == .max, counts[0] == counts[1] else {
        throw Diagnostic(.unsupportedFile, "\(reader.name): a zip file in several volumes")
      }
      (count, size, offset) = (Int(counts[0]), Int(small[0]), Int(small[1]))
      guard counts[0] == .max || small.contains(.max), end >= 20 else { return }
      try reader.seek(to: end - 20)
      guard try reader.integer(UInt32.self) == 0x0706_4B50 else { return }
      try reader.skip(4)
      try reader.seek(to: try reader.size())
      guard try reader.integer(UInt32.self) == 0x0606_4B50 else {
        throw reader.malformed("the zip64 end record is missing")
      }
      try reader.skip(28)
      (count, size, offset) = (try reader.size(), try reader.size(), try reader.size())
    }

    /// The last position whose comment ends with the file.
    private static func locate(_ reader: ByteReader) throws(Diagnostic) -> Int {
      let bytes = reader.bytes
      var position = bytes.count - 22
      while position >= max(0, bytes.count - 22 - 0xFFFF) {
        if bytes.loadUnaligned(fromByteOffset: position, as: UInt32.self) == 0x0605_4B50,
          Int(bytes.loadUnaligned(fromByteOffset: position + 20, as: UInt16.self)) == bytes.count - position
            - 22
        {
          return position
        }
        position -= 1
      }
      throw reader.malformed("is not a zip file")
    }
  }
}
