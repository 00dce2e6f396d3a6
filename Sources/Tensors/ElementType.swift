/// What a tensor stores. The raw value is the name in every text form.
public enum ElementType: String, CaseIterable, Hashable, Sendable {
  case bool
  /// Four-bit integers occupy a byte each in memory; files pack two into one.
  case i4
  case u4
  case i8
  case u8
  case i16
  case u16
  case i32
  case u32
  case i64
  case u64
  /// ONNX FLOAT8E4M3FN: bias 7, largest 448, one NaN, no infinity.
  case f8e4m3
  /// ONNX FLOAT8E5M2: bias 15, largest 57344, with infinities.
  case f8e5m2
  case bf16
  case f16
  case f32
  case f64

  /// Bytes of one element in memory.
  @inlinable public var size: Int {
    switch self {
    case .bool, .i4, .u4, .i8, .u8, .f8e4m3, .f8e5m2: 1
    case .i16, .u16, .bf16, .f16: 2
    case .i32, .u32, .f32: 4
    case .i64, .u64, .f64: 8
    }
  }

  @inlinable public var isFloat: Bool {
    switch self {
    case .f8e4m3, .f8e5m2, .bf16, .f16, .f32, .f64: true
    default: false
    }
  }

  /// The values of an integer type (`bool` is 0…1), or nil for floats and 64-bit types.
  @inlinable public var integerRange: ClosedRange<Int32>? {
    switch self {
    case .bool: 0...1
    case .i4: -8...7
    case .u4: 0...15
    case .i8: -128...127
    case .u8: 0...255
    case .i16: -32768...32767
    case .u16: 0...65535
    case .i32: .min ... .max
    default: nil
    }
  }

  /// Whether programs compute on it: every element widens exactly to an i32 or an f32 register.
  @inlinable public var fitsRegister: Bool {
    switch self {
    case .u32, .i64, .u64, .f64: false
    default: true
    }
  }
}
