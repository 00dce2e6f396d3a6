import Support

extension Tensor {
  /// ONNX's Cast. Float to integer truncates toward zero and saturates, NaN gives 0; integer to integer
  /// keeps the low bits; to bool is `!= 0` (NaN is true); to a float rounds half even, FP8 saturates. Integers
  /// on their way to a narrow float round to f32 first, as programs do; f64 rounds once.
  public func converted(to target: ElementType) throws(Diagnostic) -> Tensor {
    guard target != element else { return self }
    let type = TensorType(target, shape)
    switch (element.isFloat, target.isFloat) {
    case (false, false): return try make(type, integerElements()) { $0.truncated(to: target, $1) }
    case (true, false):
      if element == .f64 { return try make(type, elements(as: Double.self)) { $0.saturated(to: target, $1) } }
      return try make(type, floatElements()) { Double($0).saturated(to: target, $1) }
    case (_, true) where target == .f64:
      return try make(type, doubleElements()) { $1.storeBytes(of: $0.canonical, as: Double.self) }
    case (true, true) where element == .f64:
      return try make(type, elements(as: Double.self)) { target.store(bits: target.encode($0), $1) }
    case (true, true):
      return try make(type, floatElements()) { target.storeFloat($0.canonical, $1) }
    case (false, true) where element == .u64:
      return try make(type, elements(as: UInt64.self)) { target.storeFloat(Float($0), $1) }
    case (false, true):
      return try make(type, integerElements()) { target.storeFloat(Float($0), $1) }
    }
  }

  private func make<Value>(
    _ type: TensorType, _ values: [Value], _ store: (Value, UnsafeMutableRawPointer) -> Void
  ) throws(Diagnostic) -> Tensor {
    try Tensor(type) { (memory: UnsafeMutableRawBufferPointer) in
      guard let base = memory.baseAddress else { return }
      for (index, value) in values.enumerated() { store(value, base + index * type.element.size) }
    }
  }
}

extension ElementType {
  fileprivate func store(bits: UInt32, _ address: UnsafeMutableRawPointer) {
    switch size {
    case 1: address.storeBytes(of: UInt8(truncatingIfNeeded: bits), as: UInt8.self)
    case 2: address.storeBytes(of: UInt16(truncatingIfNeeded: bits), as: UInt16.self)
    default: address.storeBytes(of: bits, as: UInt32.self)
    }
  }
}

extension Int64 {
  /// The low bits, as numpy wraps; `bool` is `!= 0`.
  fileprivate func truncated(to target: ElementType, _ address: UnsafeMutableRawPointer) {
    switch target {
    case .bool: address.storeBytes(of: self == 0 ? 0 : 1, as: UInt8.self)
    case .i4: address.storeBytes(of: Int8(truncatingIfNeeded: (self << 60) >> 60), as: Int8.self)
    case .u4: address.storeBytes(of: UInt8(truncatingIfNeeded: self & 15), as: UInt8.self)
    default:
      switch target.size {
      case 1: address.storeBytes(of: UInt8(truncatingIfNeeded: self), as: UInt8.self)
      case 2: address.storeBytes(of: UInt16(truncatingIfNeeded: self), as: UInt16.self)
      case 4: address.storeBytes(of: UInt32(truncatingIfNeeded: self), as: UInt32.self)
      default: address.storeBytes(of: self, as: Int64.self)
      }
    }
  }
}

extension Double {
  fileprivate var canonical: Double { isNaN ? Double(bitPattern: 0x7FF8_0000_0000_0000) : self }

  /// Truncated toward zero and saturated; `bool` is `!= 0`.
  fileprivate func saturated(to target: ElementType, _ address: UnsafeMutableRawPointer) {
    switch target {
    case .bool: address.storeBytes(of: self == 0 ? 0 : 1, as: UInt8.self)
    case .u32: address.storeBytes(of: UInt32(saturating: self), as: UInt32.self)
    case .i64: address.storeBytes(of: Int64(saturating: self), as: Int64.self)
    case .u64: address.storeBytes(of: UInt64(saturating: self), as: UInt64.self)
    default: target.storeInteger(Int32(saturating: self), address)
    }
  }
}

extension FixedWidthInteger {
  /// Truncated toward zero; values outside the type become its bounds, NaN becomes 0.
  @inlinable public init(saturating value: some BinaryFloatingPoint) {
    // The bounds are powers of two (less one), so that they compare exactly after rounding.
    if value.isNaN {
      self = 0
    } else if let exact = Self(exactly: value.rounded(.towardZero)) {
      self = exact
    } else {
      self = value < 0 ? .min : .max
    }
  }
}
