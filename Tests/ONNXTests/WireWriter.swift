/// Writes protobuf's wire format, malformed on request: what tests build small models with.
struct WireWriter {
  var bytes: [UInt8] = []

  mutating func raw(_ more: [UInt8]) { bytes += more }

  mutating func number(_ value: UInt64) {
    var rest = value
    while rest >= 0x80 {
      bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    bytes.append(UInt8(rest))
  }

  mutating func tag(_ field: Int, _ wire: Int) { number(UInt64(field << 3 | wire)) }

  mutating func varint(_ field: Int, _ value: Int) {
    tag(field, 0)
    number(UInt64(bitPattern: Int64(value)))
  }

  mutating func float(_ field: Int, _ value: Float) {
    tag(field, 5)
    raw(withUnsafeBytes(of: value.bitPattern.littleEndian) { Array($0) })
  }

  mutating func bytes(_ field: Int, _ content: [UInt8]) {
    tag(field, 2)
    number(UInt64(content.count))
    raw(content)
  }

  mutating func text(_ field: Int, _ content: String) { bytes(field, Array(content.utf8)) }

  mutating func message(_ field: Int, _ build: (inout WireWriter) -> Void) {
    var inner = WireWriter()
    build(&inner)
    bytes(field, inner.bytes)
  }

  static func make(_ build: (inout WireWriter) -> Void) -> [UInt8] {
    var writer = WireWriter()
    build(&writer)
    return writer.bytes
  }
}

/// Little-endian bytes of numbers.
func littleEndian<Number: BitwiseCopyable>(_ numbers: [Number]) -> [UInt8] {
  numbers.withUnsafeBytes { Array($0) }
}
