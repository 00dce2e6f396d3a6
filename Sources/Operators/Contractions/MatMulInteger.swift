import GraphIR
import KernelIR
import Support
import Tensors

/// Matrix products of (a - zero point) and (b - zero point), of 8-bit integers, in i32 that wraps. Operands are
/// a, b and their zero points: scalars, or one per row of a and per column of b.
public struct MatMulInteger: Operator {
  public static let schema = Schema("MatMulInteger", since: [10], operands: 2...4, optional: [2, 3])
  public static let fields: [AttributeField<MatMulInteger>] = []

  public init() {}

  public func infer(_ context: InferenceContext) throws(Diagnostic) -> [ValueType] {
    let (a, b) = (try context.type(0, of: [.i8, .u8]), try context.type(1, of: [.i8, .u8]))
    for index in 2...3 where context.has(index) {
      guard try context.type(index).rank <= 1 else {
        throw Diagnostic(.invalidOperand, "operand \(index) is \(try context.type(index))")
      }
    }
    let real = [a, b].map { OperandType(ValueType(.f32, $0.shape)) }
    return try MatMul().infer(InferenceContext(real)).map { ValueType(.i32, $0.shape) }
  }

  public func evaluate(_ operands: [Tensor?]) throws(Diagnostic) -> [Tensor] {
    let (a, b) = (try operands.tensor(0), try operands.tensor(1))
    let rows = a.shape.count > 1 ? a.shape[a.shape.count - 2] : 1
    let k = a.shape[a.shape.count - 1]
    let columns = b.shape.count > 1 ? b.shape[b.shape.count - 1] : 1
    let x = try centred(a, operands.optional(2), rows) { $0 / max(k, 1) }
    let y = try centred(b, operands.optional(3), columns) { $0 }
    let batch = try broadcast([a.shape.dropLast(2).map { $0 }, b.shape.dropLast(2).map { $0 }])
    let left = broadcastIndices(from: a.shape.dropLast(2).map { $0 }, to: batch)
    let right = broadcastIndices(from: b.shape.dropLast(2).map { $0 }, to: batch)
    var values: [Int] = []
    for (leftPart, rightPart) in zip(left, right) {
      for row in 0..<rows {
        for column in 0..<columns {
          values.append(
            (0..<k).reduce(0) {
              $0 + x[(leftPart * rows + row) * k + $1] * y[(rightPart * k + $1) * columns + column]
            })
        }
      }
    }
    let shape = batch + (a.shape.count > 1 ? [rows] : []) + (b.shape.count > 1 ? [columns] : [])
    return [try .integers(.i32, shape, values)]
  }

  /// The elements less the zero point, one of `count` chosen by the element's index.
  private func centred(
    _ tensor: Tensor, _ zero: Tensor?, _ count: Int, _ channel: (Int) -> Int
  ) throws(Diagnostic) -> [Int] {
    let points = try zero?.int64Elements() ?? [0]
    guard points.count == 1 || points.count == count else {
      throw Diagnostic(.invalidOperand, "\(points.count) zero points for \(tensor.type)")
    }
    return try tensor.int64Elements().enumerated().map { index, value in
      value - points[points.count == 1 ? 0 : channel(index) % count]
    }
  }

  public func lower(_ context: inout LoweringContext) throws(Diagnostic) -> [BufferID]? {
    let kernel = MatMul().kernel(
      try context.operand(0).type, try context.operand(1).type, context.results[0].type.shape)
    return try context.contractIntegers(kernel).map { [$0] }
  }
}
