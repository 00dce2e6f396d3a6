import Support
import Tensors

public struct Register: EntityID {
  public static let sigil = "r"
  public let rawValue: UInt32
  @inlinable public init(rawValue: UInt32) { self.rawValue = rawValue }
}

/// A typed register expression over i32 and f32: step n defines register n. What each step computes, to
/// the bit, is `Arithmetic`'s business; this is the form that executor and machines share.
public struct Program: Hashable, Sendable {
  public enum Step: Hashable, Sendable {
    /// The sum or reduction of the kernel, or the stored element in a pre-program. A map has none.
    case input
    /// The element of a mapped operand at the current point, after the operand's own pre-program.
    /// Post-programs only.
    case operand(Int)
    /// An i32.
    case integer(Int32)
    /// An f32, by its bits.
    case float(UInt32)
    case unary(Unary, Register)
    /// Both i32 (wrapping) or both f32 (rounding once); comparisons give i32 0 or 1.
    case binary(Binary, Register, Register)
    /// a · b + c in f32, one rounding.
    case fma(Register, Register, Register)
    /// `condition` (i32) ≠ 0 ? second : third; both of one kind.
    case select(Register, Register, Register)
    /// Rounds an f32 to a float type, or clamps an i32 to an integer type, and stays in its kind: what
    /// storing and loading again would do.
    case convert(ElementType, Register)
    /// `Arithmetic.requant` of an i32 sum. Multiplier and shift are i32 registers; they may vary along an axis.
    case requant(Register, multiplier: Register, shift: Register, zeroPoint: Int32, low: Int32, high: Int32)
    /// clamp(roundHalfEven(x / scale) + zeroPoint): f32, f32 -> i32.
    case quantize(Register, scale: Register, zeroPoint: Int32, low: Int32, high: Int32)
    /// f32(q - zeroPoint) · scale: i32, f32 -> f32.
    case dequantize(Register, scale: Register, zeroPoint: Int32)
    /// The entry of the kernel's table `n` for an i32 key, which is clamped to the table's keys.
    case table(Int, Register)
  }

  public enum Unary: String, CaseIterable, Hashable, Sendable {
    /// i32 or f32.
    case negate
    case absolute
    /// f32 only.
    case sqrt
    case rsqrt
    case reciprocal
    case exp
    case log
    case tanh
    case erf
    case sigmoid
    case sin
    case cos
    case floor
    case ceil
    case round
    /// i32 -> f32, half even.
    case toFloat
    /// f32 -> i32, truncating, saturating, NaN to 0.
    case toInteger
    /// i32: 0 becomes 1, all else 0.
    case not
  }

  public enum Binary: String, CaseIterable, Hashable, Sendable {
    /// i32 or f32.
    case add
    case subtract
    case multiply
    case maximum
    case minimum
    /// i32 or f32, giving i32 0 or 1; with NaN 0.
    case equal
    case less
    case lessOrEqual
    /// f32 only.
    case divide
    /// i32 only; shifts by the low five bits, right arithmetically.
    case and
    case or
    case xor
    case shiftLeft
    case shiftRight
  }

  public internal(set) var steps = EntityMap<Register, Step>()
  public var result = Register.none

  /// A program of the steps that `build` appends; it returns the register that is the result.
  public init(_ build: (inout Program) -> Register) { result = build(&self) }

  /// From a list of steps, as a parser or decoder has them. Nothing is checked; the verifier does.
  public init(steps: [Step], result: Register) {
    for step in steps { self.steps.append(step) }
    self.result = result
  }

  /// The input, unchanged.
  public static let identity = Program { $0.append(.input) }

  public var isIdentity: Bool { self == .identity }

  /// - Precondition: the step reads registers of earlier steps.
  public mutating func append(_ step: Step) -> Register { steps.append(step) }

  public mutating func append(_ op: Binary, _ left: Register, _ right: Register) -> Register {
    append(.binary(op, left, right))
  }

  public mutating func append(_ op: Unary, _ value: Register) -> Register { append(.unary(op, value)) }

  public mutating func append(constant value: Float) -> Register { append(.float(value.bitPattern)) }
  public mutating func append(constant value: Int32) -> Register { append(.integer(value)) }
}

/// A function of one small integer, tabulated: keys `low`, `low` + 1, … At most 65,536 entries.
public struct Table: Hashable, Sendable {
  public let low: Int32
  /// Whether the entries are bits of f32 rather than i32.
  public let isFloat: Bool
  public let entries: [UInt32]

  public init(low: Int32, isFloat: Bool, entries: [UInt32]) {
    self.low = low
    self.isFloat = isFloat
    self.entries = entries
  }
}
