import GraphIR
import KernelIR
import Support
import Tensors

/// x repeated along each dimension as often as operand 1 says.
public struct Tile: Operator {
  public static let schema = Schema("Tile", since: [1, 6, 13], operands: 2...2)
  public static let fields: [AttributeField<Tile>] = []

  public init() {}

  private func result(_ shape: [Int], _ repeats: [Int]) throws(Diagnostic) -> [Int] {
    guard repeats.count == shape.count else {
      throw Diagnostic(.invalidOperand, "\(repeats.count) repeats for \(shape)")
    }
    var result: [Int] = []
    for (extent, count) in zip(shape, repeats) { result.append(try (ByteCount(extent) * count).bytes) }
    return result
  }

  public func infer(_ context: InferenceContext) throws(Diagnostic) -> [ValueType] {
    let x = try context.type(0)
    guard let repeats = try context.integers(1), let extents = x.extents else {
      return [ValueType(x.element, x.shape.map { _ in .unknown })]
    }
    return [ValueType(x.element, try result(extents, repeats).map(Dimension.fixed))]
  }

  public func evaluate(_ operands: [Tensor?]) throws(Diagnostic) -> [Tensor] {
    let x = try operands.tensor(0)
    let shape = try result(x.shape, try operands.tensor(1).int64Elements())
    let strides = x.type.strides
    return [
      try x.picking(shape, indices(of: shape) { dot(zip($0, x.shape).map { $0 % $1 }, strides) })
    ]
  }

  public func lower(_ context: inout LoweringContext) throws(Diagnostic) -> [BufferID]? {
    let x = try context.operand(0)
    guard x.type.element.fitsRegister, let repeats = try context.integers(1) else { return nil }
    var kernel = Kernel(.move, x.type.element)
    var maps: [AffineMap] = []
    for (index, extent) in x.type.shape.enumerated() {
      if repeats[index] != 1 { kernel.axis("r\(index)", repeats[index]) }
      maps.append(.axis(kernel.axis("d\(index)", extent)))
    }
    kernel.operands = [Operand(x.type, maps, box: kernel.result.shape.map { 0..<$0 })]
    let buffer = context.kernel(kernel, [x.buffer])
    let shape = context.results[0].type.shape
    return [kernel.result.shape == shape ? buffer : context.view(buffer, shape)]
  }
}
