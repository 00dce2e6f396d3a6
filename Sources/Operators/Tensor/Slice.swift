import GraphIR
import KernelIR
import Support
import Tensors

/// Every `step`-th element from `start` to before `end` along each axis. Operands are x, starts, ends, axes,
/// steps; bounds clamp as in Python.
public struct Slice: Operator {
  public static let schema = Schema("Slice", since: [1, 10, 11, 13], operands: 3...5, optional: [3, 4])
  public static let fields: [AttributeField<Slice>] = []

  public init() {}

  private struct Cut {
    var start = 0
    var step = 1
    var count: Int
  }

  /// One cut per dimension of `shape`.
  private func cuts(
    _ shape: [Int], starts: [Int], ends: [Int], axes: [Int]?, steps: [Int]?
  ) throws(Diagnostic) -> [Cut] {
    var cuts = shape.map { Cut(count: $0) }
    let axes = axes ?? Array(starts.indices)
    let steps = steps ?? starts.map { _ in 1 }
    guard ends.count == starts.count, axes.count == starts.count, steps.count == starts.count else {
      throw Diagnostic(.invalidOperand, "starts, ends, axes and steps are not of one length")
    }
    var seen: Set<Int> = []
    for index in starts.indices {
      let axis = try normalized(axes[index], rank: shape.count)
      let extent = shape[axis]
      guard steps[index] != 0, seen.insert(axis).inserted else {
        throw Diagnostic(.invalidOperand, "steps \(steps) along axes \(axes)")
      }
      let step = min(max(steps[index], -(1 << 40)), 1 << 40)
      let low = step > 0 ? 0 : -1
      let high = step > 0 ? extent : extent - 1
      func clamp(_ bound: Int) -> Int {
        min(max(bound < 0 ? bound.addingReportingOverflow(extent).partialValue : bound, low), high)
      }
      let (start, end) = (clamp(starts[index]), clamp(ends[index]))
      let distance = step > 0 ? end - start : start - end
      cuts[axis] = Cut(start: start, step: step, count: max(0, (distance + abs(step) - 1) / abs(step)))
    }
    return cuts
  }

  public func infer(_ context: InferenceContext) throws(Diagnostic) -> [ValueType] {
    let x = try context.type(0)
    let (starts, ends) = (try context.integers(1), try context.integers(2))
    let (axes, steps) = (try context.integers(3), try context.integers(4))
    guard let starts, let ends, axes != nil || !context.has(3), steps != nil || !context.has(4) else {
      return [ValueType(x.element, x.shape.map { _ in .unknown })]
    }
    // A symbolic extent counts as a large one: then a cut's length is right unless it depends on the extent.
    let big = 1 << 40
    let small = try cuts(
      x.shape.map { $0.extent ?? big }, starts: starts, ends: ends, axes: axes, steps: steps)
    let shape = zip(x.shape, small).map { dimension, cut -> Dimension in
      if dimension.extent != nil { return .fixed(cut.count) }
      return cut.count == big && cut.step == 1 ? dimension : .unknown
    }
    return [ValueType(x.element, shape)]
  }

  public func evaluate(_ operands: [Tensor?]) throws(Diagnostic) -> [Tensor] {
    let x = try operands.tensor(0)
    let (starts, ends) = (try operands.tensor(1).int64Elements(), try operands.tensor(2).int64Elements())
    let axes = try operands.optional(3).map { (t) throws(Diagnostic) in try t.int64Elements() }
    let steps = try operands.optional(4).map { (t) throws(Diagnostic) in try t.int64Elements() }
    let cuts = try cuts(x.shape, starts: starts, ends: ends, axes: axes, steps: steps)
    let shape = cuts.map(\.count)
    let strides = x.type.strides
    let picked = indices(of: shape) { coordinate in
      dot(zip(cuts, coordinate).map { $0.start + $0.step * $1 }, strides)
    }
    return [try x.picking(shape, picked)]
  }

  public func lower(_ context: inout LoweringContext) throws(Diagnostic) -> [BufferID]? {
    let x = try context.operand(0)
    guard x.type.element.fitsRegister, let starts = try context.integers(1),
      let ends = try context.integers(2)
    else { return nil }
    var others: [[Int]?] = []
    for index in 3...4 {
      guard context.has(index) else {
        others.append(nil)
        continue
      }
      guard let values = try context.integers(index) else { return nil }
      others.append(values)
    }
    let cuts = try cuts(x.type.shape, starts: starts, ends: ends, axes: others[0], steps: others[1])
    let shape = cuts.map(\.count)
    var kernel = Kernel(.move, x.type.element)
    let axes = kernel.axes(of: shape)
    let maps = zip(axes, cuts).map { axis, cut -> AffineMap in
      cut.count == 1 ? AffineMap(cut.start) : .axis(axis, times: cut.step) + AffineMap(cut.start)
    }
    kernel.operands = [Operand(x.type, maps, box: shape.map { 0..<$0 })]
    return [context.kernel(kernel, [x.buffer])]
  }
}
