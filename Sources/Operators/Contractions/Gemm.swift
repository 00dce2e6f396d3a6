import GraphIR
import KernelIR
import Support
import Tensors

/// alpha · A' · B' + beta · C in f32, where ' transposes on request and C broadcasts.
/// Each element is one chain of FMAs over k ascending from +0, then rounds after · alpha, beta · C and +.
public struct Gemm: Operator {
  public var alpha: Float = 1
  public var beta: Float = 1
  public var transA = false
  public var transB = false
  /// Of our own: applied to the sum before it is rounded.
  public var activation = Activation.none

  public static let schema = Schema("Gemm", since: [1, 6, 7, 9, 11, 13], operands: 2...3, optional: [2])
  public static let fields: [AttributeField<Gemm>] = [
    AttributeField("alpha", \.alpha), AttributeField("beta", \.beta), AttributeField("transA", \.transA),
    AttributeField("transB", \.transB), AttributeField("activation", \.activation),
  ]

  public init() {}

  public func infer(_ context: InferenceContext) throws(Diagnostic) -> [ValueType] {
    let a = try context.type(0, of: ElementType.narrowFloats)
    let b = try context.type(1, of: ElementType.narrowFloats)
    guard a.element == b.element, a.rank == 2, b.rank == 2 else {
      throw Diagnostic(.invalidOperand, "operands are \(a) and \(b), allowed are matrices of one type")
    }
    let (columns, rows) = (a.shape[transA ? 0 : 1], b.shape[transB ? 1 : 0])
    if let left = columns.extent, let right = rows.extent, left != right {
      throw Diagnostic(.invalidOperand, "A' has \(left) columns, B' has \(right) rows")
    }
    let result = ValueType(a.element, [a.shape[transA ? 1 : 0], b.shape[transB ? 0 : 1]])
    if context.has(2) {
      let c = try context.type(2)
      let pairs = zip(c.shape.reversed(), result.shape.reversed())
      let fits = pairs.allSatisfy { (own: Dimension, other: Dimension) -> Bool in
        guard let extent = own.extent, let wanted = other.extent else { return true }
        return extent == 1 || extent == wanted
      }
      guard c.element == a.element, c.rank <= 2, fits else {
        throw Diagnostic(.invalidOperand, "C is \(c), which does not broadcast to \(result)")
      }
    }
    return [result]
  }

  public func evaluate(_ operands: [Tensor?]) throws(Diagnostic) -> [Tensor] {
    let (a, b) = (try operands.tensor(0), try operands.tensor(1))
    let (m, k) = (a.shape[transA ? 1 : 0], a.shape[transA ? 0 : 1])
    let n = b.shape[transB ? 0 : 1]
    let (x, y) = (a.floatElements(), b.floatElements())
    let c = operands.optional(2).map { (broadcastIndices(from: $0.shape, to: [m, n]), $0.floatElements()) }
    let contraction = contraction(Kernel(.contract, a.element))
    var values: [Float] = []
    for row in 0..<m {
      for column in 0..<n {
        var sum: Float = 0
        for step in 0..<k {
          sum.addProduct(
            x[transA ? step * m + row : row * k + step], y[transB ? column * k + step : step * n + column])
        }
        values.append(contraction.finish(sum, c.map { $0.1[$0.0[row * n + column]] }))
      }
    }
    return [try .floats(a.element, [m, n], values)]
  }

  public func lower(_ context: inout LoweringContext) throws(Diagnostic) -> [BufferID]? {
    let (a, b) = (try context.operand(0).type, try context.operand(1).type)
    var kernel = Kernel(.contract, a.element)
    let row = kernel.axis("m", a.shape[transA ? 1 : 0])
    let column = kernel.axis("n", b.shape[transB ? 0 : 1])
    let step = kernel.axis("k", a.shape[transA ? 0 : 1], .reduce)
    kernel.operands = [
      Operand(a, transA ? [.axis(step), .axis(row)] : [.axis(row), .axis(step)]),
      Operand(b, transB ? [.axis(column), .axis(step)] : [.axis(step), .axis(column)]),
    ]
    var contraction = contraction(kernel)
    if context.has(2) {
      contraction.bias = (2, broadcastMaps(try context.operand(2).type.shape, over: [row, column]))
    }
    return [try context.contract(contraction)]
  }

  private func contraction(_ kernel: Kernel) -> Contraction {
    Contraction(kernel: kernel, alpha: alpha, beta: beta, activation: activation)
  }
}
