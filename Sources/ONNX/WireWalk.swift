import Glibc
import Support

/// One iterative pass over the wire format of a ModelProto, before libprotobuf-c sees anything, because
/// its unpack recurses and copies without limit.
///
/// The result is the skeleton: the same message without the fields that import does not read and without
/// the numbers of tensors and attributes. Those stay in the file and are recorded as payloads; a tensor's
/// raw_data, and an attribute's ints or floats, hold the payload's index in the skeleton instead.
package struct WireWalk {
  package static let maximumDepth = 64

  package private(set) var skeleton: [UInt8] = []
  package private(set) var payloads: [Payload] = []

  private var reader: WireReader
  private var frames: [Frame] = []

  /// An open message.
  private struct Frame {
    let kind: MessageKind
    let end: Int
    /// Where the skeleton holds the message's length; nil for the outermost.
    let length: Int?
    /// The singular fields below 64 that occurred.
    var seen: UInt64 = 0
    var payload: Int?
    var fields = 0
    /// The largest that unpack needs for the members of one child and its descendants, in bytes.
    var childScan = 0
  }

  /// - Throws: `malformedModel` with the offset, `importLimit`.
  package init(_ bytes: UnsafeRawBufferPointer, budget: inout ImportBudget) throws(Diagnostic) {
    reader = WireReader(bytes)
    frames.reserveCapacity(Self.maximumDepth)
    frames.append(Frame(kind: .model, end: bytes.count, length: nil))
    while let frame = frames.last {
      if reader.offset == frame.end {
        try close(frame, &budget)
      } else {
        try field(of: frame, &budget)
      }
    }
  }

  /// Libprotobuf-c scans all members of a message into slabs of 40-byte records that double, before it
  /// parses any of them.
  private static let scannedMember = 80

  private mutating func close(_ frame: Frame, _ budget: inout ImportBudget) throws(Diagnostic) {
    if let payload = frame.payload { reference(payload, kind: frame.kind) }
    frames.removeLast()
    let scan = frame.fields * Self.scannedMember + frame.childScan
    if let parent = frames.indices.last { frames[parent].childScan = max(frames[parent].childScan, scan) }
    if let position = frame.length {
      try patch(skeleton.count - position - Self.paddedLength, at: position)
    } else {
      try budget.spend(scan, for: "a model of \(frame.fields) fields")
    }
  }

  private mutating func field(of frame: Frame, _ budget: inout ImportBudget) throws(Diagnostic) {
    let start = reader.offset
    let (field, wire) = try reader.tag(end: frame.end)
    let rule = frame.kind.rule(field)
    func expect(_ allowed: WireType...) throws(Diagnostic) {
      guard allowed.contains(wire) else {
        let types = allowed.map { "\($0.rawValue)" }.joined(separator: " or ")
        throw reader.malformed(
          "field \(field) of \(frame.kind.name) has wire type \(wire.rawValue), expected \(types)", at: start)
      }
    }
    func spend(_ bytes: Int) throws(Diagnostic) {
      try budget.spend(bytes, for: "byte \(start): field \(field) of \(frame.kind.name)")
    }

    if case .skip = rule {
      try reader.skip(wire, end: frame.end)
      return
    }
    frames[frames.count - 1].fields += 1
    switch rule {
    case .skip: break
    case .varint:
      try expect(.varint)
      try spend(16)
      copyVarint(field, try reader.varint(end: frame.end))
    case .fixed32:
      try expect(.fixed32)
      try spend(16)
      copy(try reader.fixed(4, end: frame.end), field, wire)
    case .text, .bytes:
      try expect(.bytes)
      let content = try reader.delimited(end: frame.end)
      if case .text = rule, memchr(reader.bytes.baseAddress, 0, in: content) {
        throw reader.malformed("a name in \(frame.kind.name) holds a NUL byte", at: start)
      }
      // Skeleton (twice, as it grows), C copy and Swift copy, each with its header.
      try spend(4 * content.count + 96)
      copy(content, field, wire)
    case .varints:
      try expect(.varint, .bytes)
      let content = wire == .bytes ? try reader.delimited(end: frame.end) : nil
      var values = reader
      values.offset = content?.lowerBound ?? reader.offset
      repeat {
        if let content, values.offset == content.upperBound { break }
        try spend(40)
        copyVarint(field, try values.varint(end: content?.upperBound ?? frame.end))
      } while content != nil
      reader.offset = values.offset
    case .message(let kind, let repeated):
      try expect(.bytes)
      if !repeated { try once(field, frame, at: start) }
      let content = try reader.delimited(end: frame.end)
      guard frames.count < Self.maximumDepth else {
        throw reader.malformed("messages nest deeper than \(Self.maximumDepth)", at: start)
      }
      // The C struct with its place in an array, and our own record, which may be copied once.
      try spend(kind.unpackedSize + 2 * kind.messageSize + 128)
      header(field, .bytes)
      let length = skeleton.count
      skeleton.append(contentsOf: repeatElement(0, count: Self.paddedLength))
      reader.offset = kind == .opaque ? content.upperBound : content.lowerBound
      frames.append(Frame(kind: kind, end: content.upperBound, length: length))
    case .numbers(let type):
      try expect(type, .bytes)
      try numbers(field, type, isPacked: wire == .bytes, from: start, &budget)
    case .rawData:
      try expect(.bytes)
      try once(field, frame, at: start)
      let content = try reader.delimited(end: frame.end)
      payloads[try payload(&budget)].raw = content
    case .strings:
      try expect(.bytes)
      _ = try reader.delimited(end: frame.end)
      payloads[try payload(&budget)].strings += 1
    }
  }

  private mutating func once(_ field: UInt64, _ frame: Frame, at start: Int) throws(Diagnostic) {
    let bit: UInt64 = 1 << field
    guard frame.seen & bit == 0 else {
      throw reader.malformed("field \(field) of \(frame.kind.name) occurs twice", at: start)
    }
    frames[frames.count - 1].seen |= bit
  }

  private func memchr(_ base: UnsafeRawPointer?, _ byte: Int32, in range: Range<Int>) -> Bool {
    guard let base, !range.isEmpty else { return false }
    return Glibc.memchr(base + range.lowerBound, byte, range.count) != nil
  }

  // MARK: Payloads

  /// The payload of the innermost message, made on first use.
  private mutating func payload(_ budget: inout ImportBudget) throws(Diagnostic) -> Int {
    if let index = frames[frames.count - 1].payload { return index }
    try budget.spend(4 * MemoryLayout<Payload>.stride, for: "byte \(reader.offset): a tensor")
    payloads.append(Payload())
    frames[frames.count - 1].payload = payloads.count - 1
    return payloads.count - 1
  }

  private mutating func numbers(
    _ field: UInt64, _ type: WireType, isPacked: Bool, from start: Int, _ budget: inout ImportBudget
  ) throws(Diagnostic) {
    let index = try payload(&budget)
    let frame = frames[frames.count - 1]
    let content = isPacked ? try reader.delimited(end: frame.end) : reader.offset..<frame.end
    reader.offset = content.lowerBound
    var count = 1
    switch (type, isPacked) {
    case (.varint, true): count = try countVarints(in: content)
    case (_, true):
      let size = type == .fixed64 ? 8 : 4
      guard content.count % size == 0 else {
        throw reader.malformed(
          "\(content.count) bytes of packed numbers are not a multiple of \(size)", at: start)
      }
      count = content.count / size
      reader.offset = content.upperBound
    case (_, false): try reader.skip(type, end: frame.end)
    }
    // An attribute's numbers become an array; a tensor's are counted when they are decoded.
    if frame.kind == .attribute {
      try budget.spend(8 * count, for: "byte \(start): an attribute of \(count) numbers")
    }
    let range = (isPacked ? content.lowerBound : start)..<reader.offset
    try append(range, isPacked: isPacked, count: count, field, type, to: index, &budget)
  }

  private mutating func append(
    _ range: Range<Int>, isPacked: Bool, count: Int, _ field: UInt64, _ type: WireType, to index: Int,
    _ budget: inout ImportBudget
  ) throws(Diagnostic) {
    let known = payloads[index].lists.firstIndex { $0.field == field }
    let list = known ?? payloads[index].lists.count
    if known == nil {
      try budget.spend(2 * MemoryLayout<NumberList>.stride + 64, for: "byte \(range.lowerBound): a list")
      payloads[index].lists.append(NumberList(field: field, wire: type))
    }
    payloads[index].lists[list].count += count
    if !isPacked, let last = payloads[index].lists[list].chunks.last, !last.isPacked,
      last.range.upperBound == range.lowerBound
    {
      let end = payloads[index].lists[list].chunks.count - 1
      payloads[index].lists[list].chunks[end].range = last.range.lowerBound..<range.upperBound
      return
    }
    try budget.spend(2 * MemoryLayout<NumberList.Chunk>.stride, for: "byte \(range.lowerBound): a list")
    payloads[index].lists[list].chunks.append(NumberList.Chunk(range: range, isPacked: isPacked))
  }

  private mutating func countVarints(in content: Range<Int>) throws(Diagnostic) -> Int {
    var count = 0
    while reader.offset < content.upperBound {
      if reader.bytes[reader.offset] < 0x80 {
        reader.offset += 1
      } else {
        _ = try reader.varint(end: content.upperBound)
      }
      count += 1
    }
    return count
  }

  /// Writes a payload's index where the reader of the skeleton finds it.
  private mutating func reference(_ payload: Int, kind: MessageKind) {
    let index = UInt32(payload)
    let bytes = (0..<4).map { UInt8(truncatingIfNeeded: index >> (8 * $0)) }
    guard kind == .attribute else {
      header(9, .bytes)
      varint(4)
      skeleton.append(contentsOf: bytes)
      return
    }
    for list in payloads[payload].lists {
      header(list.field, list.wire)
      if list.wire == .varint { varint(UInt64(index)) } else { skeleton.append(contentsOf: bytes) }
    }
  }

  // MARK: Skeleton

  /// Lengths of messages are known at their end: they take five bytes, padded, which unpack accepts.
  private static let paddedLength = 5

  private mutating func patch(_ length: Int, at position: Int) throws(Diagnostic) {
    guard length < 1 << 31 else { throw reader.malformed("a message exceeds 2 GiB without its tensors") }
    for index in 0..<Self.paddedLength {
      let more: UInt8 = index < Self.paddedLength - 1 ? 0x80 : 0
      skeleton[position + index] = UInt8(truncatingIfNeeded: length >> (7 * index)) & 0x7F | more
    }
  }

  private mutating func header(_ field: UInt64, _ wire: WireType) {
    varint(field << 3 | UInt64(wire.rawValue))
  }

  private mutating func varint(_ value: UInt64) {
    var rest = value
    while rest >= 0x80 {
      skeleton.append(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    skeleton.append(UInt8(rest))
  }

  private mutating func copyVarint(_ field: UInt64, _ value: UInt64) {
    header(field, .varint)
    varint(value)
  }

  private mutating func copy(_ content: Range<Int>, _ field: UInt64, _ wire: WireType) {
    header(field, wire)
    if wire == .bytes { varint(UInt64(content.count)) }
    skeleton.append(contentsOf: reader.bytes[content])
  }
}
