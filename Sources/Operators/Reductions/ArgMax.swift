import GraphIR
import KernelIR
import Support
import Tensors

/// The place of an extreme element along a dimension, as i64; NaN is the most extreme.
protocol ArgumentOperator: Operator {
  var axis: Int { get }
  var keepdims: Bool { get }
  var selectLastIndex: Bool { get }
  /// Whether `a` comes before `b`.
  func beats(_ a: Double, _ b: Double) -> Bool
}

extension ArgumentOperator {
  public func infer(_ context: InferenceContext) throws(Diagnostic) -> [ValueType] {
    let x = try context.type(0, of: ElementType.numbers)
    let axis = try normalized(axis, rank: x.rank)
    var shape = x.shape
    if keepdims { shape[axis] = 1 } else { shape.remove(at: axis) }
    return [ValueType(.i64, shape)]
  }

  public func evaluate(_ operands: [Tensor?]) throws(Diagnostic) -> [Tensor] {
    let x = try operands.tensor(0)
    let axis = try normalized(axis, rank: x.shape.count)
    let all = x.doubleElements()
    let (strides, extent) = (x.type.strides, x.shape[axis])
    guard extent > 0 else { throw Diagnostic(.invalidOperand, "\(x.type) has no element along \(axis)") }
    var shape = x.shape
    shape[axis] = 1
    let places = indices(of: shape) { coordinate in
      let start = dot(coordinate, strides)
      var best = 0
      for place in 1..<max(extent, 1) {
        let (value, leader) = (all[start + place * strides[axis]], all[start + best * strides[axis]])
        let isEqual = value == leader || (value.isNaN && leader.isNaN)
        if beats(value, leader) || (isEqual && selectLastIndex) { best = place }
      }
      return best
    }
    if !keepdims { shape.remove(at: axis) }
    return [try .integers(.i64, shape, places)]
  }
}

/// The place of the largest element.
public struct ArgMax: ArgumentOperator {
  public var axis = 0
  public var keepdims = true
  public var selectLastIndex = false

  public static let schema = Schema("ArgMax", since: [1, 11, 12, 13], operands: 1...1)
  public static let fields: [AttributeField<ArgMax>] = [
    AttributeField("axis", \.axis), AttributeField("keepdims", \.keepdims),
    AttributeField("select_last_index", \.selectLastIndex),
  ]

  public init() {}

  func beats(_ a: Double, _ b: Double) -> Bool { a > b || (a.isNaN && !b.isNaN) }
}

/// The place of the smallest element.
public struct ArgMin: ArgumentOperator {
  public var axis = 0
  public var keepdims = true
  public var selectLastIndex = false

  public static let schema = Schema("ArgMin", since: [1, 11, 12, 13], operands: 1...1)
  public static let fields: [AttributeField<ArgMin>] = [
    AttributeField("axis", \.axis), AttributeField("keepdims", \.keepdims),
    AttributeField("select_last_index", \.selectLastIndex),
  ]

  public init() {}

  func beats(_ a: Double, _ b: Double) -> Bool { a < b || (a.isNaN && !b.isNaN) }
}
