import GraphIR
import KernelIR
import Support
import Tensors

/// Elements added (or, by negative counts, removed) at both ends of dimensions. Operands are x, the counts
/// (all begins, then all ends), the constant (default 0), the axes (default all).
public struct Pad: Operator {
  public enum Mode: String, AttributeChoice {
    case constant
    case reflect
    case edge
    case wrap
  }

  public var mode = Mode.constant

  public static let schema = Schema(
    "Pad", since: [1, 2, 11, 13, 18, 19, 21, 23], operands: 2...4, optional: [2, 3])
  public static let fields: [AttributeField<Pad>] = [AttributeField("mode", \.mode)]

  public init() {}

  /// How many elements come before and after each dimension.
  private func counts(
    rank: Int, _ pads: [Int], axes: [Int]?
  ) throws(Diagnostic) -> [(begin: Int, end: Int)] {
    let places = axes ?? Array(0..<rank)
    guard pads.count == 2 * places.count, pads.allSatisfy({ $0.magnitude < 1 << 40 }) else {
      throw Diagnostic(.invalidOperand, "pads \(pads) for axes \(places)")
    }
    var counts = [(begin: Int, end: Int)](repeating: (0, 0), count: rank)
    for (index, axis) in places.enumerated() {
      counts[try normalized(axis, rank: rank)] = (pads[index], pads[index + places.count])
    }
    return counts
  }

  private func result(_ shape: [Int], _ counts: [(begin: Int, end: Int)]) throws(Diagnostic) -> [Int] {
    var result: [Int] = []
    for (extent, count) in zip(shape, counts) {
      let sum = extent + count.begin + count.end
      guard extent < 1 << 60, sum >= 0, extent > 0 || mode == .constant || sum == 0 else {
        throw Diagnostic(.invalidOperand, "\(count) of mode \(mode) around an extent of \(extent)")
      }
      result.append(sum)
    }
    return result
  }

  public func infer(_ context: InferenceContext) throws(Diagnostic) -> [ValueType] {
    let x = try context.type(0)
    let axes = try context.integers(3)
    guard let pads = try context.integers(1), !context.has(3) || axes != nil else {
      return [ValueType(x.element, x.shape.map { _ in .unknown })]
    }
    let counts = try counts(rank: x.rank, pads, axes: axes)
    if context.has(2) {
      let fill = try context.type(2)
      guard fill.element == x.element, fill.extents?.allSatisfy({ $0 == 1 }) ?? true else {
        throw Diagnostic(.invalidOperand, "the constant is \(fill), allowed is a scalar of \(x)")
      }
    }
    var shape: [Dimension] = []
    for (dimension, count) in zip(x.shape, counts) {
      guard let extent = dimension.extent else {
        shape.append(count.begin + count.end == 0 ? dimension : .unknown)
        continue
      }
      shape.append(.fixed(try result([extent], [count])[0]))
    }
    return [ValueType(x.element, shape)]
  }

  public func evaluate(_ operands: [Tensor?]) throws(Diagnostic) -> [Tensor] {
    let x = try operands.tensor(0)
    let pads = try operands.tensor(1).int64Elements()
    let axes = try operands.optional(3).map { (t) throws(Diagnostic) in try t.int64Elements() }
    let counts = try counts(rank: x.shape.count, pads, axes: axes)
    let shape = try result(x.shape, counts)
    let strides = x.type.strides
    let picked = indices(of: shape) { coordinate in
      var index = 0
      for axis in shape.indices {
        guard let source = source(coordinate[axis] - counts[axis].begin, x.shape[axis]) else { return -1 }
        index += source * strides[axis]
      }
      return index
    }
    return [try x.picking(shape, picked, fill: operands.optional(2))]
  }

  /// The coordinate that a coordinate outside an extent stands for, or nil for the constant.
  private func source(_ position: Int, _ extent: Int) -> Int? {
    if position >= 0, position < extent { return position }
    switch mode {
    case .constant: return nil
    case .edge: return position < 0 ? 0 : extent - 1
    case .wrap: return (position % extent + extent) % extent
    case .reflect:
      guard extent > 1 else { return 0 }
      let period = 2 * (extent - 1)
      let folded = (position % period + period) % period
      return folded < extent ? folded : period - folded
    }
  }

  public func lower(_ context: inout LoweringContext) throws(Diagnostic) -> [BufferID]? {
    let x = try context.operand(0)
    guard x.type.element.fitsRegister, let pads = try context.integers(1) else { return nil }
    var axes: [Int]?
    if context.has(3) {
      guard let stated = try context.integers(3) else { return nil }
      axes = stated
    }
    var fill: UInt32 = 0
    if context.has(2) {
      guard let constant = try context.operand(2).constant, constant.count == 1 else { return nil }
      let isStored = try context.operand(2).quantization != nil
      guard !isStored else { return nil }
      switch constant[0] {
      case .i32(let value): fill = UInt32(bitPattern: value)
      case .f32(let value): fill = value.canonical.bitPattern
      }
    }
    let counts = try counts(rank: x.type.shape.count, pads, axes: axes)
    let shape = try result(x.type.shape, counts)
    if mode != .constant { return [try lowerByGathers(x, counts, shape, &context)] }
    var kernel = Kernel(.move, x.type.element)
    let places = kernel.axes(of: shape)
    let maps = zip(places, counts).map { AffineMap.axis($0) + AffineMap(-$1.begin) }
    let isInside = counts.allSatisfy { $0.begin <= 0 && $0.end <= 0 }
    let outside = isInside ? Operand.Outside.never : .fill(fill)
    kernel.operands = [Operand(x.type, maps, outside: outside, box: shape.map { 0..<$0 })]
    return [context.kernel(kernel, [x.buffer])]
  }

  /// One gather per padded dimension.
  private func lowerByGathers(
    _ x: LoweringContext.Argument, _ counts: [(begin: Int, end: Int)], _ shape: [Int],
    _ context: inout LoweringContext
  ) throws(Diagnostic) -> BufferID {
    var buffer = x.buffer
    for axis in shape.indices where counts[axis] != (0, 0) {
      let rows = (0..<shape[axis]).map { source($0 - counts[axis].begin, x.type.shape[axis]) ?? 0 }
      buffer = try context.gather(buffer, axis, rows)
    }
    return buffer == x.buffer ? context.view(buffer, shape) : buffer
  }
}

extension LoweringContext {
  /// The chosen rows of a buffer along a dimension.
  mutating func gather(_ buffer: BufferID, _ axis: Int, _ rows: [Int]) throws(Diagnostic) -> BufferID {
    let type = type(of: buffer)
    var shape = type.shape
    shape[axis] = rows.count
    var kernel = Kernel(.gather(dimension: axis), type.element)
    let axes = kernel.axes(of: shape)
    var maps = axes.map { AffineMap.axis($0) }
    maps[axis] = 0
    let indices = TensorType(.i32, [rows.count])
    kernel.operands = [Operand(type, maps), Operand(indices, [.axis(axes[axis])])]
    return self.kernel(kernel, [buffer, constant(try Tensor(indices, rows.map { Int32($0) }))])
  }
}
