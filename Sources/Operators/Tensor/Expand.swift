import GraphIR
import KernelIR
import Support
import Tensors

/// x broadcast with the shape in operand 1.
public struct Expand: Operator {
  public static let schema = Schema("Expand", since: [8, 13], operands: 2...2)
  public static let fields: [AttributeField<Expand>] = []

  public init() {}

  public func infer(_ context: InferenceContext) throws(Diagnostic) -> [ValueType] {
    let x = try context.type(0)
    guard let shape = try context.integers(1) else {
      guard let rank = try context.length(1), rank <= 64 else {
        throw Diagnostic(.invalidOperand, "the rank of the result is not known before the graph runs")
      }
      return [ValueType(x.element, Array(repeating: .unknown, count: max(rank, x.rank)))]
    }
    return [ValueType(x.element, try broadcast([x, ValueType(x.element, shape.map(Dimension.fixed))]))]
  }

  public func evaluate(_ operands: [Tensor?]) throws(Diagnostic) -> [Tensor] {
    let x = try operands.tensor(0)
    let shape = try broadcast([x.shape, try operands.tensor(1).int64Elements()])
    return [try x.picking(shape, broadcastIndices(from: x.shape, to: shape))]
  }

  public func lower(_ context: inout LoweringContext) throws(Diagnostic) -> [BufferID]? {
    let x = try context.operand(0)
    let shape = context.results[0].type.shape
    guard x.type.element.fitsRegister else { return nil }
    if x.type.shape == shape { return [context.view(x.buffer, shape)] }
    var kernel = Kernel(.move, x.type.element)
    let axes = kernel.axes(of: shape)
    kernel.operands = [
      Operand(x.type, broadcastMaps(x.type.shape, over: axes), box: shape.map { 0..<$0 })
    ]
    return [context.kernel(kernel, [x.buffer])]
  }
}
