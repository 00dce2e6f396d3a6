/// Where the numbers of one tensor or attribute lie in the file.
package struct Payload {
  /// TensorProto.raw_data.
  package var raw: Range<Int>?
  package var lists: [NumberList] = []
  /// The number of entries of TensorProto.string_data.
  package var strings = 0
}

/// The numbers of one repeated field, in the order of their chunks.
package struct NumberList {
  package struct Chunk {
    /// Of the packed numbers, or of a run of fields with the same tag, tags included.
    package var range: Range<Int>
    package let isPacked: Bool
  }

  package let field: UInt64
  package let wire: WireType
  package var count = 0
  package var chunks: [Chunk] = []
}

extension NumberList {
  /// All numbers, as the 64 bits of the varint or the bits of the fixed field. The walk has checked them.
  package func forEach(in bytes: UnsafeRawBufferPointer, _ body: (UInt64) -> Void) {
    for chunk in chunks {
      var next = chunk.range.lowerBound
      while next < chunk.range.upperBound {
        if !chunk.isPacked { _ = Self.varint(bytes, &next) }
        switch wire {
        case .fixed32:
          body(UInt64(UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: next, as: UInt32.self))))
          next += 4
        case .fixed64:
          body(UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: next, as: UInt64.self)))
          next += 8
        case .varint, .bytes: body(Self.varint(bytes, &next))
        }
      }
    }
  }

  private static func varint(_ bytes: UnsafeRawBufferPointer, _ next: inout Int) -> UInt64 {
    var value: UInt64 = 0
    var shift: UInt64 = 0
    while true {
      let byte = bytes[next]
      next += 1
      value |= UInt64(byte & 0x7F) << shift
      shift += 7
      if byte < 0x80 { return value }
    }
  }
}
