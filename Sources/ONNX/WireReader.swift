import Support

/// A cursor over protobuf's wire format. Offsets are from the start of the file; nothing is read at or
/// behind `end`, which is within the bytes.
struct WireReader {
  let bytes: UnsafeRawBufferPointer
  var offset = 0

  init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

  func malformed(_ what: String, at place: Int? = nil) -> Diagnostic {
    Diagnostic(.malformedModel, "byte \(place ?? offset): \(what)")
  }

  /// At most ten bytes and 64 bits.
  mutating func varint(end: Int) throws(Diagnostic) -> UInt64 {
    var value: UInt64 = 0
    var shift: UInt64 = 0
    var next = offset
    while next < end {
      let byte = bytes[next]
      guard shift < 63 || byte <= 1 else { throw malformed("a varint exceeds 64 bits") }
      value |= UInt64(byte & 0x7F) << shift
      next += 1
      if byte < 0x80 {
        offset = next
        return value
      }
      shift += 7
    }
    throw malformed("a varint runs past the end of its message at byte \(end)")
  }

  /// - Returns: the field's number, 1 … 2^29 - 1, and its wire type; groups are refused.
  mutating func tag(end: Int) throws(Diagnostic) -> (field: UInt64, wire: WireType) {
    let start = offset
    let tag = try varint(end: end)
    guard (1...0x1FFF_FFFF).contains(tag >> 3) else {
      throw malformed("\(tag >> 3) is not a field number", at: start)
    }
    guard let wire = WireType(rawValue: UInt8(tag & 7)) else {
      throw malformed("field \(tag >> 3) has wire type \(tag & 7), allowed are 0, 1, 2 and 5", at: start)
    }
    return (tag >> 3, wire)
  }

  /// The range of a length-delimited field's content, which the cursor leaves behind.
  mutating func delimited(end: Int) throws(Diagnostic) -> Range<Int> {
    let start = offset
    let length = try varint(end: end)
    guard length <= UInt64(end - offset) else {
      throw malformed("a field of \(length) bytes runs past the end of its message at byte \(end)", at: start)
    }
    let content = offset..<(offset + Int(length))
    offset = content.upperBound
    return content
  }

  mutating func fixed(_ count: Int, end: Int) throws(Diagnostic) -> Range<Int> {
    guard end - offset >= count else {
      throw malformed("a number of \(count) bytes runs past the end of its message at byte \(end)")
    }
    offset += count
    return (offset - count)..<offset
  }

  mutating func skip(_ wire: WireType, end: Int) throws(Diagnostic) {
    switch wire {
    case .varint: _ = try varint(end: end)
    case .fixed64: _ = try fixed(8, end: end)
    case .bytes: _ = try delimited(end: end)
    case .fixed32: _ = try fixed(4, end: end)
    }
  }
}
