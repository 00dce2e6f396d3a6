import GraphIR
import KernelIR
import Support
import Tensors

/// start, start + delta, … to before limit; operands are scalars.
public struct RangeOperator: Operator {
  public static let schema = Schema("Range", since: [11], operands: 3...3)
  public static let fields: [AttributeField<RangeOperator>] = []

  public init() {}

  private func count(_ start: Tensor, _ limit: Tensor, _ delta: Tensor) throws(Diagnostic) -> Int {
    let numbers = [start, limit, delta].compactMap { $0.doubleElements().first }
    let steps = numbers.count == 3 ? ((numbers[1] - numbers[0]) / numbers[2]).rounded(.up) : .nan
    guard steps < 0x1p40 else { throw Diagnostic(.invalidOperand, "a range of \(steps) steps") }
    return max(Int(steps), 0)
  }

  public func infer(_ context: InferenceContext) throws(Diagnostic) -> [ValueType] {
    let start = try context.type(0, of: [.f32, .f64, .i16, .i32, .i64])
    guard let a = context.constant(0), let b = context.constant(1), let c = context.constant(2) else {
      return [ValueType(start.element, [.unknown])]
    }
    return [ValueType(start.element, [.fixed(try count(a, b, c))])]
  }

  public func evaluate(_ operands: [Tensor?]) throws(Diagnostic) -> [Tensor] {
    let (start, delta) = (try operands.tensor(0), try operands.tensor(2))
    let count = try count(start, try operands.tensor(1), delta)
    switch start.element {
    case .f64:
      let (a, d) = (start.doubleElements()[0], delta.doubleElements()[0])
      return [try .doubles([count], (0..<count).map { a + Double($0) * d })]
    case .f32:
      let (a, d) = (start.floatElements()[0], delta.floatElements()[0])
      let values = (0..<count).map { Arithmetic.add(a, Arithmetic.multiply(Float($0), d)) }
      return [try .floats(.f32, [count], values)]
    default:
      let (a, d) = (try start.int64Elements()[0], try delta.int64Elements()[0])
      return [try .integers(start.element, [count], (0..<count).map { a &+ $0 &* d })]
    }
  }
}
