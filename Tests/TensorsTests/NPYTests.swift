import Support
import Tensors
import Testing

struct NPYTests {
  /// A file with this header text, version and data.
  private static func file(_ header: String, _ data: [UInt8], version: UInt8 = 1) -> [UInt8] {
    var writer = ByteWriter()
    writer.append([0x93] + Array("NUMPY".utf8) + [version, 0])
    if version == 1 {
      writer.integer(UInt16(header.utf8.count))
    } else {
      writer.integer(UInt32(header.utf8.count))
    }
    writer.append(header)
    writer.append(data)
    return writer.bytes
  }

  private static func read(_ bytes: [UInt8]) throws -> Tensor {
    try NPY.tensor(Storage(count: bytes.count) { $0.copyBytes(from: bytes) }, 0..<bytes.count, name: "test")
  }

  @Test func headersOfAllVersionsAndSpellingsAreRead() throws {
    let data: [UInt8] = [1, 0, 2, 0]
    let headers = [
      "{'descr': '<i2', 'fortran_order': False, 'shape': (2,), }   \n",
      "{\"shape\":(2L,),\"fortran_order\":False,\"descr\":\"<i2\"}",
      "  { 'shape' : ( 2 , ) , 'descr' : '<i2' , 'fortran_order' : True }\n",
    ]
    let expected = try Tensor(TensorType(.i16, [2]), [Int16(1), 2])
    for header in headers {
      for version in UInt8(1)...3 {
        #expect(try Self.read(Self.file(header, data, version: version)) == expected)
      }
    }
  }

  @Test func columnMajorBecomesRowMajor() throws {
    // Element (i, j, k) of 2×3×4 is 100 i + 10 j + k; the first index runs fastest in the file.
    var data: [UInt8] = []
    for k in 0..<4 { for j in 0..<3 { for i in 0..<2 { data.append(UInt8(100 * i + 10 * j + k)) } } }
    let bytes = Self.file("{'descr': '|u1', 'fortran_order': True, 'shape': (2, 3, 4), }", data)
    let expected = try Tensor(TensorType(.u8, [2, 3, 4])) {
      .i32(Int32(100 * ($0 / 12) + 10 * ($0 / 4 % 3) + $0 % 4))
    }
    #expect(try Self.read(bytes) == expected)
  }

  @Test func bigEndianIsSwapped() throws {
    let big = Self.file(
      "{'descr': '>f4', 'fortran_order': False, 'shape': (2,), }", [0x3F, 0x80, 0, 0, 0xC0, 0, 0, 0])
    #expect(try Self.read(big).floatElements() == [1, -2])
    let both = Self.file(
      "{'descr': '>i2', 'fortran_order': True, 'shape': (2, 2), }", [0, 1, 0, 2, 0, 3, 0, 4])
    #expect(try Self.read(both).int64Elements() == [1, 3, 2, 4])
  }

  @Test(arguments: [
    "{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (-2,), }",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (9223372036854775807, 9223372036854775807), }",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (0, 9223372036854775807, 9223372036854775807), }",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,), }",
    "{'descr': '<f4', 'fortran_order': False, 'shape': 2, }",
    "{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (2,), }",
    "{'descr': '<f4', 'fortran_order': False}", "{'descr': '<f4", "{'", "", "}",
    "{'descr': [('a', '<f4')], }",
    "{'descr': '|O', 'fortran_order': False, 'shape': (2,), }",
    "{'descr': '<c8', 'fortran_order': False, 'shape': (1,), }",
    "{'descr': '<U0', 'fortran_order': False, 'shape': (1099511627776,), }",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), } x",
  ])
  func malformedHeadersAreRefused(header: String) {
    let bytes = Self.file(header, [UInt8](repeating: 0, count: 8))
    #expect(throws: Diagnostic.self) { try Self.read(bytes) }
    #expect(throws: Diagnostic.self) {
      try NPY.strings(
        Storage(count: bytes.count) { $0.copyBytes(from: bytes) }, 0..<bytes.count, name: "test")
    }
  }

  @Test func byteTextIsRead() throws {
    let bytes = Self.file("{'descr': '|S3', 'fortran_order': False, 'shape': (2,), }", Array("abcd\0\0".utf8))
    let storage = Storage(count: bytes.count) { $0.copyBytes(from: bytes) }
    #expect(try NPY.strings(storage, 0..<bytes.count, name: "test") == ["abc", "d"])
  }
}
