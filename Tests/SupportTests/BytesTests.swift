import Support
import TestSupport
import Testing

struct BytesTests {
  @Test func writtenBytesReadBack() throws {
    var writer = ByteWriter()
    writer.append("héad")
    writer.integer(UInt32(0))
    writer.integer(Int16(-2))
    writer.align(to: 16)
    writer.integer(UInt64(1) << 40)
    writer.patch(UInt32(0xDEAD_BEEF), at: 5)
    #expect(writer.count == 24 && Array(writer.bytes[5..<9]) == [0xEF, 0xBE, 0xAD, 0xDE])
    var reader = ByteReader(writer.bytes)
    #expect(try reader.string(5) == "héad")
    #expect(try reader.integer(UInt32.self) == 0xDEAD_BEEF)
    #expect(try reader.integer(Int16.self) == -2)
    try reader.align(to: 16)
    #expect(try reader.size() == 1 << 40)
    #expect(reader.isAtEnd)
    try reader.seek(to: 24)
    try reader.seek(to: 1)
    #expect(try Array(reader.take(2)) == [0xC3, 0xA9])
  }

  /// Runs one reading step of a reader of four bytes that stands at the second.
  private static func step(_ body: (inout ByteReader) throws -> Void) throws {
    var reader = ByteReader([1, 0xFF, 3, 4])
    try reader.skip(1)
    try body(&reader)
  }

  @Test func nothingOutsideTheBytesIsRead() throws {
    let steps: [(inout ByteReader) throws -> Void] = [
      { _ = try $0.integer(UInt32.self) }, { _ = try $0.integer(UInt64.self) }, { _ = try $0.take(4) },
      { _ = try $0.take(-1) }, { _ = try $0.take(.max) }, { try $0.skip(.min) }, { try $0.seek(to: 5) },
      { try $0.seek(to: -1) }, { try $0.align(to: 8) }, { try $0.align(to: 2) }, { _ = try $0.string(1) },
      { _ = try $0.size() },
    ]
    for (index, body) in steps.enumerated() {
      #expect(throws: Diagnostic.self, "step \(index)") { try Self.step(body) }
    }
    try Self.step { _ = try $0.take(3) }
    var huge = ByteReader([UInt8](repeating: 0xFF, count: 8))
    #expect(throws: Diagnostic.self) { try huge.size() }
  }

  @Test func digestsOfThePublishedVectors() {
    // FIPS 180-4 examples.
    #expect(
      Digest.sha256("").hex == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
    #expect(
      Digest.sha256("abc").hex == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    #expect(
      Digest.sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq").hex
        == "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1")
    var pieces = SHA256()
    for _ in 0..<1000 { pieces.update([UInt8](repeating: UInt8(ascii: "a"), count: 1000)) }
    let digest = pieces.finish()
    #expect(digest.hex == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0")
    #expect(digest.bytes.count == 32 && digest.bytes[0] == 0xCD)
    #expect(pieces.finish() == Digest.sha256(""))
    // The check value of CRC-32/ISO-HDLC.
    #expect(CRC32.of(Array("123456789".utf8)) == 0xCBF4_3926 && CRC32.of([]) == 0)
  }

  @Test func codesOfFindingsAreUniqueAndAscending() {
    let codes = Diagnostic.Kind.all.map(\.code)
    #expect(codes == codes.sorted() && Set(codes).count == codes.count)
    for kind in Diagnostic.Kind.all {
      let allowed: [Int32] = kind.severity == .error ? [1, 64, 65, 66, 69, 70, 74] : [0]
      #expect(allowed.contains(kind.exitStatus), "\(kind.code)")
    }
  }
}
