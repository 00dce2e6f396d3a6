import KernelIR
import Support
import Tensors

extension Program.Step {
  var isTable: Bool { if case .table = self { true } else { false } }
}

extension Program {
  /// c, if the program is `input − c` in i32 and nothing else.
  var subtractedInteger: Int32? {
    guard steps.count == 3, case .binary(.subtract, let left, let right) = steps[result],
      steps[left] == .input, case .integer(let value) = steps[right]
    else { return nil }
    return value
  }

  /// The value of a pre-program.
  func value(at input: Scalar, _ tables: [Table]) -> Scalar? {
    try? evaluate(input: input, tables: tables, operand: Self.refuse)
  }

  private static func refuse(_ index: Int) throws(Diagnostic) -> Scalar {
    throw Diagnostic(.invalidKernel, "a pre-program reads operand \(index)")
  }

  /// The function of an 8-bit integer, by its stored byte as i8, as the fetch adapter looks it up.
  func tabulated(over element: ElementType, _ tables: [Table]) -> Table? {
    guard element == .i8 || element == .u8 else { return nil }
    var entries: [UInt32] = []
    var isFloat = false
    for key in Int32(-128)...127 {
      guard let value = value(at: .i32(element == .u8 ? key + 128 : key), tables) else { return nil }
      switch value {
      case .i32(let value): entries.append(UInt32(bitPattern: value))
      case .f32(let value):
        entries.append(value.bitPattern)
        isFloat = true
      }
    }
    return Table(low: -128, isFloat: isFloat, entries: entries)
  }
}
