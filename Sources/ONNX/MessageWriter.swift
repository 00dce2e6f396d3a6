import Tensors

/// Writes the wire format of protobuf.
struct MessageWriter {
  private(set) var bytes: [UInt8] = []

  private mutating func number(_ value: UInt64) {
    var rest = value
    while rest >= 0x80 {
      bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    bytes.append(UInt8(rest))
  }

  private mutating func tag(_ field: UInt64, _ wire: WireType) { number(field << 3 | UInt64(wire.rawValue)) }

  mutating func varint(_ field: UInt64, _ value: Int64) {
    tag(field, .varint)
    number(UInt64(bitPattern: value))
  }

  mutating func float(_ field: UInt64, _ value: Float) {
    tag(field, .fixed32)
    for shift in [0, 8, 16, 24] { bytes.append(UInt8(truncatingIfNeeded: value.bitPattern >> UInt32(shift))) }
  }

  mutating func bytes(_ field: UInt64, _ content: some Collection<UInt8>) {
    tag(field, .bytes)
    number(UInt64(content.count))
    bytes.append(contentsOf: content)
  }

  mutating func text(_ field: UInt64, _ content: String) { bytes(field, content.utf8) }

  mutating func message<Failure: Error>(
    _ field: UInt64, _ build: (inout MessageWriter) throws(Failure) -> Void
  ) throws(Failure) {
    var inner = MessageWriter()
    try build(&inner)
    bytes(field, inner.bytes)
  }
}
