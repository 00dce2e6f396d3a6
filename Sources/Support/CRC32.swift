import CZlib

/// The checksum of zip and of container sections (IEEE 802.3, reflected, polynomial 0x04C11DB7).
public enum CRC32 {
  public static func of(_ bytes: UnsafeRawBufferPointer) -> UInt32 {
    adding(bytes, to: 0)
  }

  /// The checksum of what had the checksum `before` and is followed by `bytes`.
  public static func adding(_ bytes: UnsafeRawBufferPointer, to before: UInt32) -> UInt32 {
    guard let base = bytes.baseAddress else { return before }
    let sum = crc32_z(UInt(before), base.assumingMemoryBound(to: UInt8.self), bytes.count)
    return UInt32(truncatingIfNeeded: sum)
  }

  public static func of(_ bytes: [UInt8]) -> UInt32 { bytes.withUnsafeBytes { of($0) } }
}
