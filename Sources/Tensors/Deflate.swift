import CZlib
import Support

/// Raw deflate streams (RFC 1951), as zip holds them.
enum Deflate {
  /// What `bytes` expand to, or nil unless they are one whole stream of exactly `count` bytes.
  static func inflate(_ bytes: UnsafeRawBufferPointer, count: Int) -> Storage? {
    var isComplete = false
    let storage = Storage(count: count) { memory in
      isComplete =
        run(bytes, memory, start: Self.startInflating, step: CZlib.inflate, end: inflateEnd) == count
    }
    return isComplete ? storage : nil
  }

  /// - Returns: nil if the stream is not shorter than `bytes`.
  static func deflate(_ bytes: UnsafeRawBufferPointer) -> [UInt8]? {
    let result = [UInt8](unsafeUninitializedCapacity: bytes.count) { buffer, count in
      let memory = UnsafeMutableRawBufferPointer(start: buffer.baseAddress, count: bytes.count)
      count = run(bytes, memory, start: Self.startDeflating, step: CZlib.deflate, end: deflateEnd) ?? 0
    }
    return result.isEmpty ? nil : result
  }

  private static func startInflating(_ stream: UnsafeMutablePointer<z_stream>) -> Int32 {
    inflateInit2_(stream, -15, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
  }

  private static func startDeflating(_ stream: UnsafeMutablePointer<z_stream>) -> Int32 {
    deflateInit2_(
      stream, 6, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
  }

  /// Feeds all of `input` in pieces that zlib's 32-bit counts can hold.
  /// - Returns: the bytes written if the stream ended with the last byte of `input`, within `output`.
  private static func run(
    _ input: UnsafeRawBufferPointer, _ output: UnsafeMutableRawBufferPointer,
    start: (UnsafeMutablePointer<z_stream>) -> Int32,
    step: (UnsafeMutablePointer<z_stream>, Int32) -> Int32,
    end: (UnsafeMutablePointer<z_stream>) -> Int32
  ) -> Int? {
    // zlib keeps the address of its stream.
    let stream = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)
    stream.initialize(to: z_stream())
    defer { stream.deallocate() }
    guard start(stream) == Z_OK else { return nil }
    defer { _ = end(stream) }
    // One byte to point at where a side is empty; zlib refuses null.
    var none: UInt8 = 0
    return withUnsafeMutablePointer(to: &none) { none in
      var taken = 0
      var made = 0
      while true {
        let inPiece = min(input.count - taken, 1 << 30)
        let outPiece = min(output.count - made, 1 << 30)
        let source = input.baseAddress.map { ($0 + taken).assumingMemoryBound(to: UInt8.self) }
        let target = output.baseAddress.map { ($0 + made).assumingMemoryBound(to: UInt8.self) }
        stream.pointee.next_in = UnsafeMutablePointer(mutating: source) ?? none
        stream.pointee.avail_in = uInt(inPiece)
        stream.pointee.next_out = target ?? none
        stream.pointee.avail_out = uInt(outPiece)
        let isLast = inPiece == input.count - taken
        let status = step(stream, isLast ? Z_FINISH : Z_NO_FLUSH)
        let tookNow = inPiece - Int(stream.pointee.avail_in)
        let madeNow = outPiece - Int(stream.pointee.avail_out)
        taken += tookNow
        made += madeNow
        if status == Z_STREAM_END { return taken == input.count ? made : nil }
        guard status == Z_OK || status == Z_BUF_ERROR, tookNow + madeNow > 0 else { return nil }
      }
    }
  }
}
