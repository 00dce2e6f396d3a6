import Support

/// Elements as text, `[0.5, -1.0]`, without their type, which precedes them in every text form. Every element
/// reads back with the same bits: floats as the shortest decimal, what is not finite as `0x` and the bits of
/// its own type.
extension Tensor {
  public func write(to out: inout TextWriter) {
    out.write("[")
    withBytes { bytes in
      guard let base = bytes.baseAddress else { return }
      for index in 0..<count {
        if index > 0 { out.write(", ") }
        element.write(base + index * element.size, to: &out)
      }
    }
    out.write("]")
  }

  /// - Throws: `syntax`, also unless there are as many elements as `type` says or one is out of range.
  public init(_ type: TensorType, parsing text: inout TextReader) throws(Diagnostic) {
    let start = text
    let size = type.element.size
    let count = try type.elementCount()
    var bytes: [UInt8] = []
    try text.expect("[")
    if !text.accept("]") {
      repeat {
        let bits = try type.element.bits(parsing: &text)
        for byte in 0..<size { bytes.append(UInt8(truncatingIfNeeded: bits >> UInt64(8 * byte))) }
      } while text.accept(",")
      try text.expect("]")
    }
    guard bytes.count == count * size else { throw start.expected("\(count) elements of \(type)") }
    try self.init(type) { memory in memory.copyBytes(from: bytes) }
  }

  /// SHA-256 of the type's text and the bytes, in lower-case hexadecimal, by which texts refer to large
  /// constants.
  public var digest: String {
    var hasher = SHA256()
    hasher.update(Array(type.text.utf8))
    withBytes { hasher.update($0) }
    return hasher.finish().hex
  }
}

extension ElementType {
  fileprivate func write(_ address: UnsafeRawPointer, to out: inout TextWriter) {
    switch self {
    case .bool: out.write(loadInteger(address) != 0)
    case .i4, .u4, .i8, .u8, .i16, .u16, .i32: out.write(loadInteger(address))
    case .u32: out.write(address.loadUnaligned(as: UInt32.self))
    case .i64: out.write(address.loadUnaligned(as: Int64.self))
    case .u64: out.write(address.loadUnaligned(as: UInt64.self))
    case .f64: out.write(address.loadUnaligned(as: Double.self))
    case .f32: out.write(address.loadUnaligned(as: Float.self))
    case .f16: write(loadFloat(address), address.loadUnaligned(as: UInt16.self), to: &out)
    case .bf16: write(loadFloat(address), address.loadUnaligned(as: UInt16.self), to: &out)
    case .f8e4m3, .f8e5m2: write(loadFloat(address), address.load(as: UInt8.self), to: &out)
    }
  }

  private func write(_ value: Float, _ bits: some FixedWidthInteger, to out: inout TextWriter) {
    // The shortest decimal of the f32 identifies the f32, and rounds back to the narrower value exactly.
    if value.isFinite { out.write(value) } else { out.write("0x" + String(bits, radix: 16)) }
  }

  /// The bits of the next element, in the low `8 * size` bits.
  fileprivate func bits(parsing text: inout TextReader) throws(Diagnostic) -> UInt64 {
    let start = text
    switch self {
    case .bool: return try Bool(parsing: &text) ? 1 : 0
    case .u32: return UInt64(try UInt32(parsing: &text))
    case .i64: return UInt64(bitPattern: try Int64(parsing: &text))
    case .u64: return try UInt64(parsing: &text)
    case .f64: return try Double(parsing: &text).bitPattern
    case .f32: return UInt64(try Float(parsing: &text).bitPattern)
    case .f16, .bf16:
      return UInt64(try text.number(bits: { (bits: UInt16) in bits }, decimal: decimal))
    case .f8e4m3, .f8e5m2:
      return UInt64(try text.number(bits: { (bits: UInt8) in bits }, decimal: decimal))
    case .i4, .u4, .i8, .u8, .i16, .u16, .i32:
      let value = try Int32(parsing: &text)
      guard let range = integerRange, range.contains(value) else {
        throw start.expected("an element of \(self)")
      }
      return UInt64(bitPattern: Int64(value))
    }
  }

  private func decimal<Bits: FixedWidthInteger>(_ word: String) -> Bits? {
    Float(word).map { Bits(truncatingIfNeeded: encode($0)) }
  }
}
