import Support
import Synchronization

/// Rows of an array in a `.npz` file. Those of a deflated array are expanded as they are asked for, which is fast in
/// ascending order; each result is memory of its own.
public final class NPZRows: Sendable {
  /// Of the whole array.
  public let type: TensorType
  private let whole: Tensor?
  private let cursor: Mutex<InflateCursor>?
  /// Where the elements begin in what the cursor reads.
  private let start: Int
  private let name: String

  /// Of an array that is in memory or mapped.
  public init(_ whole: Tensor) {
    type = whole.type
    self.whole = whole
    cursor = nil
    start = 0
    name = ""
  }

  /// - Returns: nil for an array whose rows do not lie one behind the other or have another byte order.
  /// - Throws: `malformedFile`, `unsupportedFile`.
  init?(streaming bytes: sending InflateCursor, name: String) throws(Diagnostic) {
    // Headers of version 1 have at most 64 KiB; those that are longer are read as a whole.
    let head = Storage(count: min(bytes.size, 1 << 16)) { memory in
      if !(bytes.seek(to: 0) && bytes.read(into: memory)) {
        memory.initializeMemory(as: UInt8.self, repeating: 0)
      }
    }
    var reader = ByteReader(head.bytes, name: name, owner: head)
    let header = try NPYHeader(&reader)
    guard case .number(let element) = header.element else {
      throw Diagnostic(.unsupportedFile, "\(name): an array of text where numbers are needed")
    }
    type = TensorType(element, header.shape)
    let isPlain = !header.isColumnMajor && (!header.isBigEndian || element.size == 1)
    guard isPlain, !type.shape.isEmpty else { return nil }
    let size = try type.byteCount().bytes
    guard size == bytes.size - reader.position else {
      throw Diagnostic(
        .malformedFile, "\(name): \(type) has \(size) bytes, the file has \(bytes.size - reader.position)")
    }
    whole = nil
    start = reader.position
    self.name = name
    cursor = Mutex(bytes)
  }

  /// Some indices of the first dimension.
  /// - Throws: `sizeOverflow` unless the rank is at least 1 and the range within the first extent; `malformedFile`
  ///   where the file is damaged there.
  public func rows(_ range: Range<Int>) throws(Diagnostic) -> Tensor {
    if let whole {
      let window = try whole.rows(range)
      let rows = try Tensor(window.type) { memory in window.withBytes { memory.copyMemory(from: $0) } }
      window.releasePages()
      return rows
    }
    guard let extent = type.shape.first, range.lowerBound >= 0, range.upperBound <= extent, cursor != nil
    else {
      throw Diagnostic(.sizeOverflow, "rows \(range) of \(type)")
    }
    let part = TensorType(type.element, [range.count] + type.shape.dropFirst())
    let row = try part.byteCount().bytes / max(range.count, 1)
    var isRead = false
    let rows = try Tensor(part) { memory in
      isRead =
        cursor?.withLock { $0.seek(to: start + range.lowerBound * row) && $0.read(into: memory) } ?? false
    }
    guard isRead else { throw Diagnostic(.malformedFile, "\(name): its compressed bytes are damaged") }
    return rows
  }
}
