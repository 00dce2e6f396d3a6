import GraphIR
import KernelIR
import Support
import Tensors

/// For every index in operand 0 a row of `depth` (operand 1) elements along a new dimension: the second of
/// operand 2's two values at the index, the first elsewhere. Negative indices count from the end, others out of
/// range mark nothing.
public struct OneHot: Operator {
  public var axis = -1

  public static let schema = Schema("OneHot", since: [9, 11], operands: 3...3)
  public static let fields: [AttributeField<OneHot>] = [AttributeField("axis", \.axis)]

  public init() {}

  public func infer(_ context: InferenceContext) throws(Diagnostic) -> [ValueType] {
    let chosen = try context.type(0, of: ElementType.numbers)
    _ = try context.type(1, of: ElementType.numbers)
    let values = try context.type(2)
    let axis = try normalized(axis, rank: chosen.rank + 1)
    let depth = context.constant(1)?.doubleElements().first
    var shape = chosen.shape
    shape.insert(
      try depth.map { (depth) throws(Diagnostic) in .fixed(try length(depth)) } ?? .unknown, at: axis)
    return [ValueType(values.element, shape)]
  }

  private func length(_ depth: Double) throws(Diagnostic) -> Int {
    guard depth >= 0, depth < 0x1p40 else { throw Diagnostic(.invalidOperand, "a depth of \(depth)") }
    return Int(depth)
  }

  public func evaluate(_ operands: [Tensor?]) throws(Diagnostic) -> [Tensor] {
    let (chosen, values) = (try operands.tensor(0), try operands.tensor(2))
    let depth = try length(try operands.tensor(1).doubleElements().first ?? 0)
    guard values.count == 2 else { throw Diagnostic(.invalidOperand, "the values are \(values.type)") }
    let axis = try normalized(axis, rank: chosen.shape.count + 1)
    let strides = chosen.type.strides
    let marks = chosen.doubleElements()
    var shape = chosen.shape
    shape.insert(depth, at: axis)
    let picked = indices(of: shape) { place in
      var rest = place
      let level = Double(rest.remove(at: axis))
      let mark = marks[dot(rest, strides)]
      return mark == level || mark + Double(depth) == level ? 1 : 0
    }
    return [try values.picking(shape, picked)]
  }
}
