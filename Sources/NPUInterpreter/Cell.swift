import KernelIR
import NPUISA
import Support
import Tensors

/// The 64 bits of an accumulator cell, by what is added in them: an i32 sum held in 64 bits; the bits of an f32;
/// units of 2^-18 of an exact FP8 sum, where the least number stands for NaN; a value in the low half with its
/// step in the high half (-1 for none yet).
enum Cell {
  static let exactNaN = Int64.min

  static func start(_ kind: TensorInstruction.Accumulate.Kind, _ isFloat: Bool) -> Int64 {
    func word(_ integer: Int32, _ float: Float) -> Int64 {
      isFloat ? Int64(float.bitPattern) : Int64(integer)
    }
    switch kind {
    case .none, .contract, .sum: return 0
    case .product: return word(1, 1)
    case .maximum: return word(.min, -.infinity)
    case .minimum: return word(.max, .infinity)
    case .argumentOfMaximum, .argumentOfMinimum: return -1 << 32
    }
  }

  static func float(_ cell: Int64) -> Float { Float(bitPattern: UInt32(truncatingIfNeeded: cell)) }

  /// Integer product.
  @inline(__always)
  static func add(_ cell: Int64, _ a: UInt32, _ b: UInt32) -> Int64 {
    cell &+ Int64(Int32(bitPattern: a)) * Int64(Int32(bitPattern: b))
  }

  /// One step of a chain of fused multiply-adds.
  @inline(__always)
  static func addChain(_ cell: Int64, _ a: UInt32, _ b: UInt32) -> Int64 {
    Int64(Arithmetic.fma(Float(bitPattern: a), Float(bitPattern: b), float(cell)).bitPattern)
  }

  /// A product of two E4M3 values, in units of 2^-18.
  static func addExact(_ cell: Int64, _ a: UInt32, _ b: UInt32) -> Int64 {
    guard cell != exactNaN, let left = units(a), let right = units(b) else { return exactNaN }
    return cell &+ left * right
  }

  /// In units of 2^-9; nil for NaN. What is no E4M3 value, which no legal program multiplies, counts as NaN.
  private static func units(_ bits: UInt32) -> Int64? {
    let value = Float(bitPattern: bits)
    guard value.magnitude <= Float8E4M3.largest else { return nil }
    return Int64(value * 512)
  }

  static func reduce(
    _ kind: TensorInstruction.Accumulate.Kind, _ isFloat: Bool, _ cell: Int64, _ bits: UInt32, _ step: Int
  ) -> Int64 {
    switch kind {
    case .none, .contract: return cell
    case .argumentOfMaximum, .argumentOfMinimum:
      if cell >> 32 != -1 {
        let old = UInt32(truncatingIfNeeded: cell)
        let (a, b) = kind == .argumentOfMaximum ? (bits, old) : (old, bits)
        guard isFloat ? beats(bits, old, kind) : Int32(bitPattern: a) > Int32(bitPattern: b) else {
          return cell
        }
      }
      return Int64(step) << 32 | Int64(bits)
    case .sum:
      if isFloat { return word(Arithmetic.add(float(cell), Float(bitPattern: bits))) }
      return cell &+ Int64(Int32(bitPattern: bits))
    case .product:
      if isFloat { return word(Arithmetic.multiply(float(cell), Float(bitPattern: bits))) }
      return Int64(Arithmetic.multiply(Int32(truncatingIfNeeded: cell), Int32(bitPattern: bits)))
    case .maximum:
      if isFloat { return word(Arithmetic.maximum(float(cell), Float(bitPattern: bits))) }
      return Int64(max(Int32(truncatingIfNeeded: cell), Int32(bitPattern: bits)))
    case .minimum:
      if isFloat { return word(Arithmetic.minimum(float(cell), Float(bitPattern: bits))) }
      return Int64(min(Int32(truncatingIfNeeded: cell), Int32(bitPattern: bits)))
    }
  }

  private static func word(_ value: Float) -> Int64 { Int64(value.bitPattern) }

  /// Of floats: NaN beats everything but NaN, zeros are equal.
  private static func beats(_ new: UInt32, _ old: UInt32, _ kind: TensorInstruction.Accumulate.Kind) -> Bool {
    let (new, old) = (Float(bitPattern: new), Float(bitPattern: old))
    if new.isNaN { return !old.isNaN }
    return kind == .argumentOfMaximum ? new > old : new < old
  }

  /// The word that leaves a cell, or nil for an integer sum beyond 32 bits.
  static func drain(
    _ cell: Int64, _ kind: TensorInstruction.Accumulate.Kind, _ isFloat: Bool, isExact: Bool
  ) -> UInt32? {
    switch kind {
    case .argumentOfMaximum, .argumentOfMinimum:
      return UInt32(bitPattern: max(0, Int32(truncatingIfNeeded: cell >> 32)))
    default:
      if isExact {
        return cell == exactNaN
          ? Float.canonicalNaN.bitPattern : ExactSum.round(Int128(cell), fractionBits: 18).bitPattern
      }
      if isFloat { return UInt32(truncatingIfNeeded: cell) }
      return Int32(exactly: cell).map { UInt32(bitPattern: $0) }
    }
  }

  /// Sixteen partial sums, added by a tree of adjacent pairs.
  static func drainPartials(_ cells: ArraySlice<Int64>) -> UInt32 {
    Arithmetic.splitSum(cells.map(float)).bitPattern
  }

  /// The element-wise combination of one element over slices. - Throws: `accumulatorOverflow`.
  static func combine(
    _ kind: TensorInstruction.Reducer.Kind, _ isFloat: Bool, _ terms: [UInt32]
  ) throws(Diagnostic) -> UInt32 {
    if isFloat {
      let floats = terms.map { Float(bitPattern: $0) }
      switch kind {
      case .none: return terms[0]
      case .sum: return Arithmetic.splitSum(floats).bitPattern
      case .maximum: return floats.dropFirst().reduce(floats[0]) { Arithmetic.maximum($0, $1) }.bitPattern
      case .minimum: return floats.dropFirst().reduce(floats[0]) { Arithmetic.minimum($0, $1) }.bitPattern
      }
    }
    let integers = terms.map { Int32(bitPattern: $0) }
    switch kind {
    case .none: return terms[0]
    case .sum:
      let sum = integers.reduce(Int64(0)) { $0 + Int64($1) }
      guard let value = Int32(exactly: sum) else {
        throw Diagnostic(.accumulatorOverflow, "the sum \(sum) over slices leaves 32 bits")
      }
      return UInt32(bitPattern: value)
    case .maximum: return UInt32(bitPattern: integers.max() ?? 0)
    case .minimum: return UInt32(bitPattern: integers.min() ?? 0)
    }
  }

  /// A word as an element type stores it: f32 rounds once, i32 clamps.
  static func encode(_ bits: UInt32, _ element: ElementType) -> UInt32 {
    if element.isFloat { return element.encode(Float(bitPattern: bits)) }
    guard let range = element.integerRange else { return bits }
    return UInt32(bitPattern: min(max(Int32(bitPattern: bits), range.lowerBound), range.upperBound))
  }
}
