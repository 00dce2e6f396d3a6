/// The bits of float types that widen to f32. Casts follow ONNX: half even; FP8 saturates, infinities
/// included; bf16 and f16 overflow to infinity; NaN becomes the one NaN of the type.
extension ElementType {
  /// The bits of the nearest value, in the low `8 * size` bits. f32 keeps its bits, NaN payloads included.
  /// - Precondition: a float type other than f64.
  @inlinable public func encode(_ value: Float) -> UInt32 {
    switch self {
    case .f32: value.bitPattern
    case .f16: UInt32(Half.encode(value))
    case .bf16: UInt32(BFloat16.encode(value))
    case .f8e4m3: UInt32(Float8E4M3.encode(value))
    case .f8e5m2: UInt32(Float8E5M2.encode(value))
    default: preconditionFailure("\(self) is not a float of at most 32 bits")
    }
  }

  /// The value of the low `8 * size` bits, exactly. NaN of narrower types become 0x7FC00000.
  /// - Precondition: a float type other than f64.
  @inlinable public func decode(_ bits: UInt32) -> Float {
    switch self {
    case .f32: Float(bitPattern: bits)
    case .f16: Half.decode(UInt16(truncatingIfNeeded: bits))
    case .bf16: BFloat16.decode(UInt16(truncatingIfNeeded: bits))
    case .f8e4m3: Float8E4M3.decode(UInt8(truncatingIfNeeded: bits))
    case .f8e5m2: Float8E5M2.decode(UInt8(truncatingIfNeeded: bits))
    default: preconditionFailure("\(self) is not a float of at most 32 bits")
    }
  }

  /// The nearest value that the type holds; the identity for f32.
  /// - Precondition: a float type other than f64.
  @inlinable public func round(_ value: Float) -> Float { self == .f32 ? value : decode(encode(value)) }

  /// Like `encode` of a Float, but rounding the f64 once.
  /// - Precondition: a float type other than f64.
  public func encode(_ value: Double) -> UInt32 {
    self == .f32 ? Float(value).canonical.bitPattern : encode(value.roundedToOdd)
  }

  /// The largest finite value of a float type other than f64, or nil.
  public var largestFinite: Float? {
    switch self {
    case .f8e4m3: Float8E4M3.largest
    case .f8e5m2: Float8E5M2.largest
    case .bf16: Float(bitPattern: 0x7F7F_0000)
    case .f16: 65504
    case .f32: .greatestFiniteMagnitude
    default: nil
    }
  }
}

extension Double {
  /// A Float that every narrower format rounds as it would round this value: the neighbour with an odd last
  /// bit unless the value is exact (Boldo and Melquiond 2008).
  fileprivate var roundedToOdd: Float {
    let nearest = Float(self)
    let widened = Double(nearest)
    guard widened != self, isFinite else { return nearest }
    if nearest.bitPattern & 1 == 1 { return nearest }
    // `nearest` is even and inexact, so the other neighbour is odd; infinity counts as the even end.
    return widened.magnitude > magnitude
      ? Float(bitPattern: nearest.bitPattern - 1) : Float(bitPattern: nearest.bitPattern + 1)
  }
}
