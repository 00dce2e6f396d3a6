import Tensors

typealias Words = UnsafeMutablePointer<UInt32>

/// Elements to and from registers of 32 bits: i32, or the bits of an f32.
enum BlockMemory {
  /// `count` elements `step` elements apart. - Precondition: `base` is aligned for the element type.
  static func load(_ element: ElementType, _ base: UnsafeRawPointer, step: Int, _ count: Int, _ out: Words) {
    switch element {
    case .f32, .i32: load(base, step, count, out) { (x: UInt32) in x }
    case .i8: load(base, step, count, out) { (x: Int8) in UInt32(bitPattern: Int32(x)) }
    case .u8: load(base, step, count, out) { (x: UInt8) in UInt32(x) }
    case .i16: load(base, step, count, out) { (x: Int16) in UInt32(bitPattern: Int32(x)) }
    case .u16: load(base, step, count, out) { (x: UInt16) in UInt32(x) }
    case .bool: load(base, step, count, out) { (x: UInt8) in x == 0 ? 0 : 1 }
    case .i4: load(base, step, count, out) { (x: Int8) in UInt32(bitPattern: Int32((x << 4) >> 4)) }
    case .u4: load(base, step, count, out) { (x: UInt8) in UInt32(x & 15) }
    case .bf16: load(base, step, count, out) { (x: UInt16) in BFloat16.decode(x).bitPattern }
    case .f16: load(base, step, count, out) { (x: UInt16) in Half.decode(x).bitPattern }
    case .f8e4m3: load(base, step, count, out) { (x: UInt8) in Float8E4M3.decode(x).bitPattern }
    case .f8e5m2: load(base, step, count, out) { (x: UInt8) in Float8E5M2.decode(x).bitPattern }
    case .u32, .i64, .u64, .f64: preconditionFailure("\(element) does not fit a register")
    }
  }

  @inline(__always)
  private static func load<Stored: BitwiseCopyable>(
    _ base: UnsafeRawPointer, _ step: Int, _ count: Int, _ out: Words, _ widen: (Stored) -> UInt32
  ) {
    let source = base.assumingMemoryBound(to: Stored.self)
    if step == 1 {
      for index in 0..<count { out[index] = widen(source[index]) }
    } else if step == 0 {
      if count > 0 { out.update(repeating: widen(source[0]), count: count) }
    } else {
      for index in 0..<count { out[index] = widen(source[index &* step]) }
    }
  }

  /// Integers clamp to the type, floats round to it.
  static func store(
    _ element: ElementType, _ words: UnsafePointer<UInt32>, _ base: UnsafeMutableRawPointer, step: Int,
    _ count: Int
  ) {
    switch element {
    case .f32, .i32: store(words, base, step, count) { (x: UInt32) in x }
    case .i8: store(words, base, step, count) { Int8(truncatingIfNeeded: clamp($0, -128, 127)) }
    case .u8: store(words, base, step, count) { UInt8(truncatingIfNeeded: clamp($0, 0, 255)) }
    case .i16: store(words, base, step, count) { Int16(truncatingIfNeeded: clamp($0, -32768, 32767)) }
    case .u16: store(words, base, step, count) { UInt16(truncatingIfNeeded: clamp($0, 0, 65535)) }
    case .bool: store(words, base, step, count) { UInt8(truncatingIfNeeded: clamp($0, 0, 1)) }
    case .i4: store(words, base, step, count) { Int8(truncatingIfNeeded: clamp($0, -8, 7)) }
    case .u4: store(words, base, step, count) { UInt8(truncatingIfNeeded: clamp($0, 0, 15)) }
    case .bf16: store(words, base, step, count) { BFloat16.encode(Float(bitPattern: $0)) }
    case .f16: store(words, base, step, count) { Half.encode(Float(bitPattern: $0)) }
    case .f8e4m3: store(words, base, step, count) { Float8E4M3.encode(Float(bitPattern: $0)) }
    case .f8e5m2: store(words, base, step, count) { Float8E5M2.encode(Float(bitPattern: $0)) }
    case .u32, .i64, .u64, .f64: preconditionFailure("\(element) does not fit a register")
    }
  }

  @inline(__always)
  private static func clamp(_ bits: UInt32, _ low: Int32, _ high: Int32) -> Int32 {
    min(max(Int32(bitPattern: bits), low), high)
  }

  @inline(__always)
  private static func store<Stored: BitwiseCopyable>(
    _ words: UnsafePointer<UInt32>, _ base: UnsafeMutableRawPointer, _ step: Int, _ count: Int,
    _ narrow: (UInt32) -> Stored
  ) {
    let target = base.assumingMemoryBound(to: Stored.self)
    if step == 1 {
      for index in 0..<count { target[index] = narrow(words[index]) }
    } else {
      for index in 0..<count { target[index &* step] = narrow(words[index]) }
    }
  }
}
