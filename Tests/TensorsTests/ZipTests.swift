import Support
import Tensors
import Testing

/// Zip files that our writer does not make.
struct ZipTests {
  private static let array =
    (try? NPY.encode(Tensor(TensorType(.u8, [3]), [UInt8(1), 2, 3]))) ?? []

  /// One stored or deflated member "x.npy", with every field open to change.
  struct File {
    var content = array
    /// What the file holds for the content.
    var data = array
    var flags: UInt16 = 0
    var method: UInt16 = 0
    var size: UInt64 = UInt64(array.count)
    var compressedSize: UInt64 = UInt64(array.count)
    var localName = "x.npy"
    var isZip64 = false
    var entries: UInt64 = 1
    var comment = ""

    var bytes: [UInt8] {
      var out = ByteWriter()
      out.integer(UInt32(0x0403_4B50))
      for field in [20, flags, method, 0, 0x21] { out.integer(UInt16(field)) }
      out.integer(CRC32.of(content))
      out.integer(UInt32.max)
      out.integer(UInt32.max)
      out.integer(UInt16(localName.utf8.count))
      out.integer(UInt16(4))
      out.append(localName)
      out.append([9, 9, 0, 0])
      out.append(data)
      let directory = out.count
      out.integer(UInt32(0x0201_4B50))
      for field in [45, 45, flags, method, 0, 0x21] { out.integer(UInt16(field)) }
      out.integer(CRC32.of(content))
      out.integer(isZip64 ? .max : UInt32(truncatingIfNeeded: compressedSize))
      out.integer(isZip64 ? .max : UInt32(truncatingIfNeeded: size))
      out.integer(UInt16(5))
      // Another field comes before that of zip64.
      out.integer(UInt16(isZip64 ? 6 + 28 : 0))
      for _ in 0..<3 { out.integer(UInt16(0)) }
      out.integer(UInt32(0))
      out.integer(isZip64 ? UInt32.max : 0)
      out.append("x.npy")
      if isZip64 {
        out.append([0x0A, 0, 2, 0, 7, 7, 1, 0, 24, 0])
        out.integer(size)
        out.integer(compressedSize)
        out.integer(UInt64(0))
      }
      let length = out.count - directory
      if isZip64 {
        let end = out.count
        out.integer(UInt32(0x0606_4B50))
        out.integer(UInt64(44))
        out.integer(UInt32(45 << 16 | 45))
        out.integer(UInt64(0))
        out.integer(entries)
        out.integer(entries)
        out.integer(UInt64(length))
        out.integer(UInt64(directory))
        out.integer(UInt32(0x0706_4B50))
        out.integer(UInt32(0))
        out.integer(UInt64(end))
        out.integer(UInt32(1))
      }
      out.integer(UInt32(0x0605_4B50))
      out.integer(UInt32(0))
      out.integer(isZip64 ? .max : UInt16(entries))
      out.integer(isZip64 ? .max : UInt16(entries))
      out.integer(isZip64 ? .max : UInt32(length))
      out.integer(isZip64 ? .max : UInt32(directory))
      out.integer(UInt16(comment.utf8.count))
      out.append(comment)
      return out.bytes
    }
  }

  private static func read(_ file: File) throws -> [Int] {
    let bytes = file.bytes
    let archive = try NPZArchive(Storage(count: bytes.count) { $0.copyBytes(from: bytes) }, path: "test")
    return try archive.tensor(named: "x").int64Elements()
  }

  private static func status(_ change: (inout File) -> Void) -> Int32? {
    var file = File()
    change(&file)
    do { _ = try read(file) } catch { return (error as? Diagnostic)?.kind.exitStatus }
    return nil
  }

  @Test func validVariantsAreRead() throws {
    #expect(try Self.read(File()) == [1, 2, 3])
    #expect(try Self.read(File(isZip64: true)) == [1, 2, 3])
    // Deflate with one block of literal bytes, longer than its content.
    let length = UInt16(Self.array.count)
    let block =
      [1, UInt8(length & 0xFF), UInt8(length >> 8), UInt8(~length & 0xFF), UInt8(~length >> 8)] + Self.array
    for isZip64 in [false, true] {
      let file = File(data: block, method: 8, compressedSize: UInt64(block.count), isZip64: isZip64)
      #expect(try Self.read(file) == [1, 2, 3])
    }
    // A data descriptor may follow the content; the directory holds the sizes.
    #expect(try Self.read(File(flags: 8)) == [1, 2, 3])
    #expect(
      try Self.read(File(comment: "a comment, and in it PK\u{5}\u{6} an end record's sign")) == [1, 2, 3])
  }

  @Test func featuresThatAreNotReadAreNamed() {
    #expect(Self.status { $0.flags = 1 } == 69)
    #expect(Self.status { $0.method = 12 } == 69)
  }

  @Test(arguments: [false, true]) func falseClaimsAreRefused(isZip64: Bool) {
    let deflated = { (size: UInt64) in
      Self.status { file in
        (file.isZip64, file.method, file.size) = (isZip64, 8, size)
      }
    }
    #expect(deflated(UInt64(isZip64 ? 1 << 40 : UInt32.max - 1)) == 65)
    #expect(deflated(UInt64(isZip64 ? UInt64.max : 1000)) == 65)
    #expect(Self.status { ($0.isZip64, $0.size) = (isZip64, 5) } == 65)
    #expect(Self.status { ($0.isZip64, $0.compressedSize, $0.size) = (isZip64, 1 << 31, 1 << 31) } == 65)
    #expect(Self.status { ($0.isZip64, $0.compressedSize) = (isZip64, isZip64 ? .max : 0) } == 65)
    #expect(Self.status { ($0.isZip64, $0.entries) = (isZip64, 2) } == 65)
    #expect(Self.status { ($0.isZip64, $0.localName) = (isZip64, "y.npy") } == 65)
    #expect(Self.status { ($0.isZip64, $0.data) = (isZip64, []) } == 65)
  }
}
