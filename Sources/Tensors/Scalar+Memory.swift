/// Elements at byte addresses, which need not be aligned. These are the loads and stores of every evaluator.
extension ElementType {
  /// An integer element (`bool` is 0 or 1), sign- or zero-extended.
  /// - Precondition: `integerRange != nil`.
  @inlinable public func loadInteger(_ address: UnsafeRawPointer) -> Int32 {
    switch self {
    case .bool: address.load(as: UInt8.self) == 0 ? 0 : 1
    case .i4: Int32(Int8(bitPattern: address.load(as: UInt8.self) << 4) >> 4)
    case .u4: Int32(address.load(as: UInt8.self) & 15)
    case .i8: Int32(address.load(as: Int8.self))
    case .u8: Int32(address.load(as: UInt8.self))
    case .i16: Int32(address.loadUnaligned(as: Int16.self))
    case .u16: Int32(address.loadUnaligned(as: UInt16.self))
    case .i32: address.loadUnaligned(as: Int32.self)
    default: preconditionFailure("\(self) does not fit an i32 register")
    }
  }

  /// A float element, widened exactly.
  /// - Precondition: a float type other than f64.
  @inlinable public func loadFloat(_ address: UnsafeRawPointer) -> Float {
    switch self {
    case .f32: address.loadUnaligned(as: Float.self)
    case .f16: Half.decode(address.loadUnaligned(as: UInt16.self))
    case .bf16: BFloat16.decode(address.loadUnaligned(as: UInt16.self))
    case .f8e4m3: Float8E4M3.decode(address.load(as: UInt8.self))
    case .f8e5m2: Float8E5M2.decode(address.load(as: UInt8.self))
    default: preconditionFailure("\(self) does not fit an f32 register")
    }
  }

  /// Stores an integer, clamped to the range of the type.
  /// - Precondition: `integerRange != nil`.
  @inlinable public func storeInteger(_ value: Int32, _ address: UnsafeMutableRawPointer) {
    switch self {
    case .bool: address.storeBytes(of: UInt8(min(max(value, 0), 1)), as: UInt8.self)
    case .i4: address.storeBytes(of: Int8(min(max(value, -8), 7)), as: Int8.self)
    case .u4: address.storeBytes(of: UInt8(min(max(value, 0), 15)), as: UInt8.self)
    case .i8: address.storeBytes(of: Int8(clamping: value), as: Int8.self)
    case .u8: address.storeBytes(of: UInt8(clamping: value), as: UInt8.self)
    case .i16: address.storeBytes(of: Int16(clamping: value), as: Int16.self)
    case .u16: address.storeBytes(of: UInt16(clamping: value), as: UInt16.self)
    case .i32: address.storeBytes(of: value, as: Int32.self)
    default: preconditionFailure("\(self) does not fit an i32 register")
    }
  }

  /// Stores a float, rounded by `encode`.
  /// - Precondition: a float type other than f64.
  @inlinable public func storeFloat(_ value: Float, _ address: UnsafeMutableRawPointer) {
    switch self {
    case .f32: address.storeBytes(of: value, as: Float.self)
    case .f16: address.storeBytes(of: Half.encode(value), as: UInt16.self)
    case .bf16: address.storeBytes(of: BFloat16.encode(value), as: UInt16.self)
    case .f8e4m3: address.storeBytes(of: Float8E4M3.encode(value), as: UInt8.self)
    case .f8e5m2: address.storeBytes(of: Float8E5M2.encode(value), as: UInt8.self)
    default: preconditionFailure("\(self) does not fit an f32 register")
    }
  }
}

extension Scalar {
  /// The element at a byte offset, widened. - Precondition: `element.fitsRegister`.
  @inlinable public static func load(
    from base: UnsafeRawPointer, at byteOffset: Int = 0, _ element: ElementType
  ) -> Scalar {
    element.isFloat
      ? .f32(element.loadFloat(base + byteOffset)) : .i32(element.loadInteger(base + byteOffset))
  }

  /// Integers clamp to the range of the type, floats round to it.
  /// - Precondition: `element.fitsRegister` and `isFloat == element.isFloat`.
  @inlinable public func store(
    to base: UnsafeMutableRawPointer, at byteOffset: Int = 0, _ element: ElementType
  ) {
    switch self {
    case .i32(let value): element.storeInteger(value, base + byteOffset)
    case .f32(let value): element.storeFloat(value, base + byteOffset)
    }
  }
}
