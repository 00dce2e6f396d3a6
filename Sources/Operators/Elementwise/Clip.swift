import GraphIR
import KernelIR
import Support
import Tensors

/// min(max(x, low), high); operands 1 and 2 are scalars of x's type, or absent.
public struct Clip: Operator {
  public static let schema = Schema("Clip", since: [1, 6, 11, 12, 13], operands: 1...3, optional: [1, 2])
  public static let fields: [AttributeField<Clip>] = []

  public init() {}

  public func infer(_ context: InferenceContext) throws(Diagnostic) -> [ValueType] {
    let x = try context.type(0, of: ElementType.numbers)
    for index in 1...2 where context.has(index) {
      let bound = try context.type(index)
      guard bound.element == x.element, bound.extents?.allSatisfy({ $0 == 1 }) ?? true else {
        throw Diagnostic(.invalidOperand, "operand \(index) is \(bound), allowed is a scalar of \(x)")
      }
    }
    return [x]
  }

  public func evaluate(_ operands: [Tensor?]) throws(Diagnostic) -> [Tensor] {
    var result = try operands.tensor(0)
    let shape = result.shape
    if let low = operands.optional(1) {
      result = try result.combine(
        low, float: { Arithmetic.maximum($0, $1) }, double: { $0.isNaN ? $0 : max($0, $1) },
        integer: { max($0, $1) })
    }
    if let high = operands.optional(2) {
      result = try result.combine(
        high, float: { Arithmetic.minimum($0, $1) }, double: { $0.isNaN ? $0 : min($0, $1) },
        integer: { min($0, $1) })
    }
    return [try result.reshaped(shape)]
  }

  public func lower(_ context: inout LoweringContext) throws(Diagnostic) -> [BufferID]? {
    let x = try context.operand(0)
    guard x.type.element.fitsRegister else { return nil }
    var kernel = Kernel(.map, x.type.element)
    let axes = kernel.axes(of: x.type.shape)
    kernel.operands = [Operand(x.type, axes.map { .axis($0) })]
    var buffers = [x.buffer]
    var steps: [(Program.Binary, Int)] = []
    for (index, step) in [(1, Program.Binary.maximum), (2, .minimum)] where context.has(index) {
      let bound = try context.operand(index)
      steps.append((step, buffers.count))
      kernel.operands.append(Operand(bound.type, bound.type.shape.map { _ in 0 }))
      buffers.append(bound.buffer)
    }
    kernel.post = Program { program in
      steps.reduce(program.append(.operand(0))) { x, bound in
        program.append(bound.0, x, program.append(.operand(bound.1)))
      }
    }
    return [context.kernel(kernel, buffers)]
  }
}
