/// Builds little-endian bytes.
public struct ByteWriter {
  public private(set) var bytes: [UInt8] = []

  public init() {}

  public var count: Int { bytes.count }

  public mutating func integer<Integer: FixedWidthInteger>(_ value: Integer) {
    withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
  }

  public mutating func append(_ content: some Sequence<UInt8>) { bytes.append(contentsOf: content) }

  public mutating func append(_ text: String) { bytes.append(contentsOf: text.utf8) }

  /// Zeros up to the next multiple of `alignment`.
  public mutating func align(to alignment: Int) {
    bytes.append(contentsOf: repeatElement(0, count: count.paddingToMultiple(of: alignment)))
  }

  /// Overwrites an integer that was written before its value was known.
  /// - Precondition: its bytes were written.
  public mutating func patch<Integer: FixedWidthInteger>(_ value: Integer, at position: Int) {
    precondition(position >= 0 && position + MemoryLayout<Integer>.size <= count, "patch outside the bytes")
    withUnsafeBytes(of: value.littleEndian) { new in
      for (index, byte) in new.enumerated() { bytes[position + index] = byte }
    }
  }
}
