import GraphIR
import KernelIR
import Support
import Tensors

/// Matrix products over the last two dimensions; those before broadcast. A vector is a row on the left and
/// a column on the right. Each element is one chain of FMAs over k ascending from +0, in f32 or, of doubles, f64.
public struct MatMul: Operator {
  /// Of our own: applied to the sum before it is rounded.
  public var activation = Activation.none

  public static let schema = Schema("MatMul", since: [1, 9, 13], operands: 2...2)
  public static let fields: [AttributeField<MatMul>] = [AttributeField("activation", \.activation)]

  public init() {}

  public func infer(_ context: InferenceContext) throws(Diagnostic) -> [ValueType] {
    let a = try context.type(0, of: ElementType.floats)
    let b = try context.type(1, of: ElementType.floats)
    guard a.element == b.element, a.rank > 0, b.rank > 0 else {
      throw Diagnostic(.invalidOperand, "operands are \(a) and \(b)")
    }
    let k = b.shape[b.rank == 1 ? 0 : b.rank - 2]
    if let left = a.shape[a.rank - 1].extent, let right = k.extent, left != right {
      throw Diagnostic(.invalidOperand, "\(a) has \(left) columns, \(b) has \(right) rows")
    }
    let batch = try broadcast([
      ValueType(a.element, a.shape.dropLast(2)), ValueType(b.element, b.shape.dropLast(2)),
    ])
    let rows = a.rank == 1 ? [] : [a.shape[a.rank - 2]]
    let columns = b.rank == 1 ? [] : [b.shape[b.rank - 1]]
    return [ValueType(a.element, batch + rows + columns)]
  }

  public func evaluate(_ operands: [Tensor?]) throws(Diagnostic) -> [Tensor] {
    let (a, b) = (try operands.tensor(0), try operands.tensor(1))
    let left = a.shape.count == 1 ? [1, a.shape[0]] : a.shape
    let right = b.shape.count == 1 ? [b.shape[0], 1] : b.shape
    let batch = try broadcast([left.dropLast(2), right.dropLast(2)])
    let (m, k, n) = (left[left.count - 2], left[left.count - 1], right[right.count - 1])
    let leftStarts = broadcastIndices(from: Array(left.dropLast(2)), to: batch).map { $0 * m * k }
    let rightStarts = broadcastIndices(from: Array(right.dropLast(2)), to: batch).map { $0 * k * n }
    let shape = batch + (a.shape.count == 1 ? [] : [m]) + (b.shape.count == 1 ? [] : [n])
    func products<Value: BinaryFloatingPoint>(_ x: [Value], _ y: [Value]) -> [Value] {
      var sums: [Value] = []
      for (leftStart, rightStart) in zip(leftStarts, rightStarts) {
        for row in 0..<m {
          for column in 0..<n {
            var sum: Value = 0
            for step in 0..<k {
              sum.addProduct(x[leftStart + row * k + step], y[rightStart + step * n + column])
            }
            sums.append(sum)
          }
        }
      }
      return sums
    }
    if a.element == .f64 {
      let sums = products(a.doubleElements(), b.doubleElements())
      return [try Tensor(TensorType(.f64, shape), sums.map { activation.apply($0) })]
    }
    let sums = products(a.floatElements(), b.floatElements())
    return [try .floats(a.element, shape, sums.map { activation.apply(Arithmetic.canonical($0)) })]
  }

  public func lower(_ context: inout LoweringContext) throws(Diagnostic) -> [BufferID]? {
    guard try context.operand(0).type.element != .f64 else { return nil }
    let kernel = kernel(
      try context.operand(0).type, try context.operand(1).type, context.results[0].type.shape)
    return [try context.contract(Contraction(kernel: kernel, activation: activation))]
  }

  /// The sum as one contraction.
  func kernel(_ a: TensorType, _ b: TensorType, _ result: [Int]) -> Kernel {
    let lead = result.count - (a.shape.count == 1 ? 0 : 1) - (b.shape.count == 1 ? 0 : 1)
    var kernel = Kernel(.contract, a.element)
    let batch = result[..<lead].enumerated().map { kernel.axis("b\($0)", $1) }
    var (left, right): ([AffineMap], [AffineMap]) = ([], [])
    if a.shape.count > 1 { left.append(.axis(kernel.axis("m", a.shape[a.shape.count - 2]))) }
    if b.shape.count > 1 { right.append(.axis(kernel.axis("n", b.shape[b.shape.count - 1]))) }
    let k = AffineMap.axis(kernel.axis("k", a.shape[a.shape.count - 1], .reduce))
    kernel.operands = [
      Operand(a, broadcastMaps(Array(a.shape.dropLast(2)), over: batch) + left + [k]),
      Operand(b, broadcastMaps(Array(b.shape.dropLast(2)), over: batch) + [k] + right),
    ]
    return kernel
  }
}
