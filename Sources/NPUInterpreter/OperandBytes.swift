import KernelIR
import NPUISA
import Support
import Tensors

/// The bytes that hold an operand of a vector program, and maybe others between them.
struct OperandBytes {
  private let isInRegisters: Bool
  let range: Range<Int>

  /// The most bytes that are worth a comparison.
  private static let most = 1 << 14

  /// Nil where the program reads tables, or an operand lies in more bytes than are worth it.
  static func all(_ plan: TensorPlan) -> [OperandBytes]? {
    guard let program = plan.program else { return [] }
    let readsTables = program.steps.ids.contains {
      if case .table = program.steps[$0] { true } else { false }
    }
    guard !readsTables else { return nil }
    var list: [OperandBytes] = []
    for (number, operand) in plan.body.vector.operands.enumerated() {
      let isInRegisters: Bool
      let (base, size): (Int, Int)
      switch operand.source {
      case .registers(let word): (isInRegisters, base, size) = (true, Int(word), 4)
      case .second(let second): (isInRegisters, base, size) = (false, Int(second.base), second.element.size)
      }
      let walks =
        plan.retained.map { (plan.outputSizes[$0], plan.operandStrides[number][$0]) }
        + plan.shape.flitLoops(operand)
      let span = TensorPlan.span(base, walks)
      let elements = (operand.isBroadcast ? 1 : plan.shape.flitElements) * size
      let unit = isInRegisters ? 4 : 1
      let range = span.lowerBound * unit..<span.upperBound * unit + elements
      guard range.count <= most else { return nil }
      list.append(OperandBytes(isInRegisters: isInRegisters, range: range))
    }
    return list
  }

  func memory(_ state: MachineState, _ slice: Int) -> UnsafeMutableRawPointer {
    isInRegisters ? state.vectors(slice).raw : state.sram(slice)
  }
}
