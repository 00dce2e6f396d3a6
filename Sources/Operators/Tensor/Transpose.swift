import GraphIR
import KernelIR
import Support
import Tensors

/// Dimension i of the result is dimension `perm[i]` of the operand; reversed where `perm` is absent.
public struct Transpose: Operator {
  public var perm: [Int]?

  public static let schema = Schema("Transpose", since: [1, 13, 21, 23], operands: 1...1)
  public static let fields: [AttributeField<Transpose>] = [AttributeField("perm", \.perm)]

  public init() {}

  private func permutation(rank: Int) throws(Diagnostic) -> [Int] {
    let order = perm ?? Array((0..<rank).reversed())
    guard order.sorted() == Array(0..<rank) else {
      throw Diagnostic(.invalidAttribute, "perm = \(order) is no permutation of \(rank) dimensions")
    }
    return order
  }

  public func infer(_ context: InferenceContext) throws(Diagnostic) -> [ValueType] {
    let x = try context.type(0)
    return [ValueType(x.element, try permutation(rank: x.rank).map { x.shape[$0] })]
  }

  public func evaluate(_ operands: [Tensor?]) throws(Diagnostic) -> [Tensor] {
    let x = try operands.tensor(0)
    let order = try permutation(rank: x.shape.count)
    let shape = order.map { x.shape[$0] }
    let strides = order.map { x.type.strides[$0] }
    return [try x.picking(shape, indices(of: shape) { dot($0, strides) })]
  }

  public func lower(_ context: inout LoweringContext) throws(Diagnostic) -> [BufferID]? {
    let x = try context.operand(0)
    guard x.type.element.fitsRegister else { return nil }
    let order = try permutation(rank: x.type.shape.count)
    let shape = order.map { x.type.shape[$0] }
    // Moving dimensions of extent 1 moves no element.
    let long = order.filter { x.type.shape[$0] != 1 }
    if long == long.sorted() { return [context.view(x.buffer, shape)] }
    var kernel = Kernel(.move, x.type.element)
    let axes = kernel.axes(of: shape)
    var maps = [AffineMap](repeating: 0, count: shape.count)
    for (axis, source) in zip(axes, order) { maps[source] = .axis(axis) }
    kernel.operands = [Operand(x.type, maps, box: shape.map { 0..<$0 })]
    return [context.kernel(kernel, [x.buffer])]
  }
}
