import CZlib
import Support

/// Reads a raw deflate stream from the beginning to the end, as often as asked. Used by one thread at a time.
final class InflateCursor: @unchecked Sendable {
  /// Of the expanded bytes.
  let size: Int
  /// How many expanded bytes were read.
  private(set) var position = 0
  private let storage: Storage
  private let range: Range<Int>
  private let expected: UInt32
  private var checksum: UInt32 = 0
  private let stream = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)
  private var isOpen = false

  /// - Parameters:
  ///   - range: of the stream in the storage.
  ///   - crc: of all expanded bytes.
  init(_ storage: Storage, _ range: Range<Int>, size: Int, crc: UInt32) {
    (self.storage, self.range, self.size, expected) = (storage, range, size, crc)
    stream.initialize(to: z_stream())
  }

  deinit {
    close()
    stream.deallocate()
  }

  private func close() {
    if isOpen { inflateEnd(stream) }
    isOpen = false
  }

  /// Goes to a position, from the beginning where it lies behind. - Returns: false where the stream is damaged.
  func seek(to target: Int) -> Bool {
    if target < position || !isOpen {
      close()
      stream.pointee = z_stream()
      guard inflateInit2_(stream, -15, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK else {
        return false
      }
      (isOpen, position, checksum, taken) = (true, 0, 0, 0)
    }
    var scratch = [UInt8](repeating: 0, count: min(target - position, 1 << 16))
    while position < target {
      let isRead = scratch.withUnsafeMutableBytes { bytes in
        read(into: UnsafeMutableRawBufferPointer(rebasing: bytes[..<min(bytes.count, target - position)]))
      }
      guard isRead else { return false }
    }
    return true
  }

  private var taken = 0

  /// Fills `target` with the next bytes. - Returns: false where the stream is damaged or ends before; with the last
  /// byte also where the checksum differs.
  func read(into target: UnsafeMutableRawBufferPointer) -> Bool {
    guard isOpen, position + target.count <= size else { return false }
    let input = UnsafeRawBufferPointer(rebasing: storage.bytes[range])
    var made = 0
    while made < target.count {
      let inPiece = min(input.count - taken, 1 << 30)
      let outPiece = min(target.count - made, 1 << 30)
      guard let source = input.baseAddress, let into = target.baseAddress else { return false }
      stream.pointee.next_in = UnsafeMutablePointer(
        mutating: (source + taken).assumingMemoryBound(to: UInt8.self))
      stream.pointee.avail_in = uInt(inPiece)
      stream.pointee.next_out = (into + made).assumingMemoryBound(to: UInt8.self)
      stream.pointee.avail_out = uInt(outPiece)
      let status = inflate(stream, Z_NO_FLUSH)
      let (tookNow, madeNow) = (
        inPiece - Int(stream.pointee.avail_in), outPiece - Int(stream.pointee.avail_out)
      )
      taken += tookNow
      made += madeNow
      if status == Z_STREAM_END { break }
      guard status == Z_OK, tookNow + madeNow > 0 else { return false }
    }
    guard made == target.count else { return false }
    position += made
    checksum = CRC32.adding(UnsafeRawBufferPointer(target), to: checksum)
    return position < size || checksum == expected
  }
}
