import GraphIR
import KernelIR
import Support
import Tensors

/// Slices of x along an axis, chosen by indices of any shape, which replaces that dimension. Negative
/// indices count from the end.
public struct Gather: Operator {
  public var axis = 0

  public static let schema = Schema("Gather", since: [1, 11, 13], operands: 2...2)
  public static let fields: [AttributeField<Gather>] = [AttributeField("axis", \.axis)]

  public init() {}

  public func infer(_ context: InferenceContext) throws(Diagnostic) -> [ValueType] {
    let x = try context.type(0)
    let chosen = try context.type(1, of: ElementType.indices)
    let axis = try normalized(axis, rank: x.rank)
    return [ValueType(x.element, x.shape[..<axis] + chosen.shape + x.shape[(axis + 1)...])]
  }

  public func evaluate(_ operands: [Tensor?]) throws(Diagnostic) -> [Tensor] {
    let (x, chosen) = (try operands.tensor(0), try operands.tensor(1))
    let axis = try normalized(axis, rank: x.shape.count)
    let extent = x.shape[axis]
    var rows: [Int] = []
    for index in try chosen.int64Elements() {
      guard index >= -extent, index < extent else {
        throw Diagnostic(.indexOutOfRange, "index \(index) is not within -\(extent)…\(extent - 1)")
      }
      rows.append(index < 0 ? index + extent : index)
    }
    let (outer, inner) = (x.shape[..<axis].reduce(1, *), x.shape[(axis + 1)...].reduce(1, *))
    let picked = indices(of: [outer, rows.count, inner]) { ($0[0] * extent + rows[$0[1]]) * inner + $0[2] }
    return [try x.picking(Array(x.shape[..<axis] + chosen.shape + x.shape[(axis + 1)...]), picked)]
  }

  public func lower(_ context: inout LoweringContext) throws(Diagnostic) -> [BufferID]? {
    let (x, chosen) = (try context.operand(0), try context.operand(1))
    guard x.type.element.fitsRegister, let narrow = try context.narrowedIndices(1) else { return nil }
    let axis = try normalized(axis, rank: x.type.shape.count)
    if let list = try context.integers(1), list.count == 1,
      let row = list.first.map({ $0 < 0 ? $0 + x.type.shape[axis] : $0 }),
      (0..<x.type.shape[axis]).contains(row)
    {
      // One known row is a slice.
      var kernel = Kernel(.move, x.type.element)
      let axes = kernel.axes(of: context.results[0].type.shape)
      var maps = (axes[..<axis] + axes[(axis + chosen.type.shape.count)...]).map { AffineMap.axis($0) }
      maps.insert(AffineMap(row), at: axis)
      kernel.operands = [Operand(x.type, maps, box: kernel.result.shape.map { 0..<$0 })]
      return [context.kernel(kernel, [x.buffer])]
    }
    var kernel = Kernel(.gather(dimension: axis), x.type.element)
    let axes = kernel.axes(of: context.results[0].type.shape)
    let picked = axes[axis..<(axis + chosen.type.shape.count)]
    let rest = axes[..<axis] + axes[(axis + chosen.type.shape.count)...]
    var maps = rest.map { AffineMap.axis($0) }
    maps.insert(0, at: axis)
    kernel.operands = [
      Operand(x.type, maps), Operand(TensorType(.i32, chosen.type.shape), picked.map { .axis($0) }),
    ]
    return [context.kernel(kernel, [x.buffer, narrow])]
  }
}

extension LoweringContext {
  /// A buffer with the i32 or constant i64 indices of an operand, or nil for i64 known only at run time.
  mutating func narrowedIndices(_ index: Int) throws(Diagnostic) -> BufferID? {
    let operand = try operand(index)
    if operand.type.element == .i32 { return operand.buffer }
    guard let values = try integers(index) else { return nil }
    let narrow = values.map { Int32(clamping: $0) }
    return constant(try Tensor(TensorType(.i32, operand.type.shape), narrow))
  }
}
