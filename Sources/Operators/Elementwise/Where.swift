import GraphIR
import KernelIR
import Support
import Tensors

/// Operand 1 where operand 0 is true, else operand 2, with broadcasting. Floats below 32 bits pass through f32,
/// so that their NaN become the one NaN and E5M2 infinities saturate.
public struct Where: Operator {
  public static let schema = Schema("Where", since: [9, 16], operands: 3...3)
  public static let fields: [AttributeField<Where>] = []

  public init() {}

  public func infer(_ context: InferenceContext) throws(Diagnostic) -> [ValueType] {
    let condition = try context.type(0, of: [.bool])
    let (a, b) = (try context.type(1), try context.type(2))
    guard a.element == b.element else {
      throw Diagnostic(.invalidOperand, "operands are \(a) and \(b), of different types")
    }
    return [ValueType(a.element, try broadcast([condition, a, b]))]
  }

  public func evaluate(_ operands: [Tensor?]) throws(Diagnostic) -> [Tensor] {
    let (condition, a, b) = (try operands.tensor(0), try operands.tensor(1), try operands.tensor(2))
    let shape = try broadcast([condition.shape, a.shape, b.shape])
    let isTrue = try condition.int64Elements()
    let choice = broadcastIndices(from: condition.shape, to: shape).map { isTrue[$0] != 0 }
    let left = broadcastIndices(from: a.shape, to: shape)
    let right = broadcastIndices(from: b.shape, to: shape)
    let (x, y) = (try a.picking(shape, left), try b.picking(shape, right))
    let size = a.element.size
    let result = try Tensor(x.type) { (memory: UnsafeMutableRawBufferPointer) in
      x.withBytes { first in
        y.withBytes { second in
          for byte in 0..<memory.count { memory[byte] = choice[byte / size] ? first[byte] : second[byte] }
        }
      }
    }
    let isNarrow = a.element.isFloat && a.element.size < 4
    return [isNarrow ? try result.converted(to: .f32).converted(to: a.element) : result]
  }

  public func lower(_ context: inout LoweringContext) throws(Diagnostic) -> [BufferID]? {
    let operands = [try context.operand(0), try context.operand(1), try context.operand(2)]
    guard operands[1].type.element.fitsRegister else { return nil }
    return [
      try context.map(operands, operands[1].type.element) { program, registers in
        program.append(.select(registers[0], registers[1], registers[2]))
      }
    ]
  }
}
