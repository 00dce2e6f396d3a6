/// One element as programs compute on it: integers and bool widen to i32, floats to f32.
public enum Scalar: Equatable, Sendable {
  case i32(Int32)
  case f32(Float)

  @inlinable public var isFloat: Bool { if case .f32 = self { true } else { false } }

  /// Bits, so that NaN equals itself and -0 differs from +0.
  public static func == (left: Scalar, right: Scalar) -> Bool {
    switch (left, right) {
    case (.i32(let a), .i32(let b)): a == b
    case (.f32(let a), .f32(let b)): a.bitPattern == b.bitPattern
    default: false
    }
  }
}
