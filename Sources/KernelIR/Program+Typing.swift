import Support
import Tensors

extension Program {
  /// What a register holds. The raw value is its name in messages.
  public enum Kind: String, Hashable, Sendable {
    case integer = "i32"
    case float = "f32"

    /// Of the register that an element of this type widens to.
    public init(_ element: ElementType) { self = element.isFloat ? .float : .integer }
  }

  /// The kind of the result, by `kinds`.
  public func kind(input: Kind?, operands: [Kind?], tables: [Table] = []) throws(Diagnostic) -> Kind {
    let kinds = try kinds(input: input, operands: operands, tables: tables)
    guard steps.contains(result) else { throw Self.untyped("the result \(result) is not defined") }
    return kinds[result]
  }

  /// The kind of every register: P1 steps read earlier registers, P2 input, operands and tables exist,
  /// P3 every step is defined on the kinds that it reads, P4 bounds are ordered and types fit a register.
  /// - Parameter input: nil where there is none. - Parameter operands: nil where one may not be read.
  /// - Throws: `invalidKernel` with the number of the rule and the step that breaks it.
  public func kinds(
    input: Kind?, operands: [Kind?], tables: [Table] = []
  ) throws(Diagnostic) -> EntityMap<Register, Kind> {
    var kinds = EntityMap<Register, Kind>()
    for register in steps.ids {
      let step = steps[register]
      if let read = step.reads.first(where: { $0 >= register }) {
        throw Self.untyped("P1: \(register) reads \(read), which is not defined before it")
      }
      let read = step.reads.map { kinds[$0] }
      switch step {
      case .input:
        guard let input else { throw Self.untyped("P2: \(register) reads an input where there is none") }
        kinds.append(input)
      case .operand(let index):
        guard operands.indices.contains(index), let kind = operands[index] else {
          throw Self.untyped("P2: \(register) reads operand \(index), which programs may not read")
        }
        kinds.append(kind)
      case .table(let index, _):
        guard tables.indices.contains(index) else {
          throw Self.untyped("P2: \(register) reads table \(index) of \(tables.count)")
        }
        guard read == [tables[index].keyKind] else { throw Self.untyped(register, step, read) }
        kinds.append(tables[index].isFloat ? .float : .integer)
      default:
        if let bad = step.badBounds { throw Self.untyped("P4: \(register): \(bad)") }
        guard let kind = step.kind(reading: read) else { throw Self.untyped(register, step, read) }
        kinds.append(kind)
      }
    }
    return kinds
  }

  private static func untyped(_ message: String) -> Diagnostic { Diagnostic(.invalidKernel, message) }

  private static func untyped(_ register: Register, _ step: Step, _ read: [Kind]) -> Diagnostic {
    let kinds = read.map(\.rawValue).joined(separator: ", ")
    return untyped("P3: \(register): \(step.name) is not defined on (\(kinds))")
  }
}

extension Program.Step {
  /// What the text form calls the step.
  var name: String {
    switch self {
    case .input: "input"
    case .operand: "operand"
    case .integer: "integer"
    case .float: "float"
    case .unary(let op, _): op.rawValue
    case .binary(let op, _, _): op.rawValue
    case .fma: "fma"
    case .select: "select"
    case .convert: "convert"
    case .requant: "requant"
    case .quantize: "quantize"
    case .dequantize: "dequantize"
    case .table: "table"
    }
  }

  /// The kind of a step that computes from registers of these kinds alone, or nil if it is not defined on them.
  fileprivate func kind(reading read: [Program.Kind]) -> Program.Kind? {
    let allInteger = read.allSatisfy { $0 == .integer }
    let allFloat = read.allSatisfy { $0 == .float }
    switch self {
    case .input, .operand, .table: return nil
    case .integer: return .integer
    case .float: return .float
    case .unary(let op, _):
      switch op {
      case .negate, .absolute: return read[0]
      case .toFloat: return allInteger ? .float : nil
      case .toInteger: return allFloat ? .integer : nil
      case .not: return allInteger ? .integer : nil
      default: return allFloat ? .float : nil
      }
    case .binary(let op, _, _):
      switch op {
      case .add, .subtract, .multiply, .maximum, .minimum: return allInteger || allFloat ? read[0] : nil
      case .equal, .less, .lessOrEqual: return allInteger || allFloat ? .integer : nil
      case .divide: return allFloat ? .float : nil
      case .and, .or, .xor, .shiftLeft, .shiftRight: return allInteger ? .integer : nil
      }
    case .fma: return allFloat ? .float : nil
    case .select: return read[0] == .integer && read[1] == read[2] ? read[1] : nil
    case .convert(let element, _): return Program.Kind(element) == read[0] ? read[0] : nil
    case .requant: return allInteger ? .integer : nil
    case .quantize: return allFloat ? .integer : nil
    case .dequantize: return read == [.integer, .float] ? .float : nil
    }
  }

  fileprivate var badBounds: String? {
    switch self {
    case .requant(_, _, _, _, let low, let high) where low > high: "bounds \(low)…\(high) are empty"
    case .quantize(_, _, _, let low, let high) where low > high: "bounds \(low)…\(high) are empty"
    case .convert(let element, _) where !element.fitsRegister: "\(element.rawValue) does not fit a register"
    default: nil
    }
  }
}

extension Table {
  var keyKind: Program.Kind { .integer }
}
