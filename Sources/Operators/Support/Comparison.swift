import GraphIR
import KernelIR
import Support
import Tensors

/// A relation of two numbers of one type, which broadcast; with NaN false.
protocol ComparisonOperator: Operator {
  static var elements: [ElementType] { get }
  func holds<Number: Comparable>(_ a: Number, _ b: Number) -> Bool
  func program(_ program: inout Program, _ a: Register, _ b: Register) -> Register
}

extension ComparisonOperator {
  static var elements: [ElementType] { ElementType.numbers }

  public func infer(_ context: InferenceContext) throws(Diagnostic) -> [ValueType] {
    let a = try context.type(0, of: Self.elements)
    let b = try context.type(1)
    guard a.element == b.element else {
      throw Diagnostic(.invalidOperand, "operands are \(a) and \(b), of different types")
    }
    return [ValueType(.bool, try broadcast([a, b]))]
  }

  public func evaluate(_ operands: [Tensor?]) throws(Diagnostic) -> [Tensor] {
    let a = try operands.tensor(0)
    let b = try operands.tensor(1)
    // Floats compare exactly as f64, whatever their type.
    let wide = a.element.isFloat ? ElementType.f64 : .i64
    let result = try a.converted(to: wide).combine(
      try b.converted(to: wide), float: { holds($0, $1) ? 1 : 0 }, double: { holds($0, $1) ? 1 : 0 },
      integer: { holds($0, $1) ? 1 : 0 })
    return [try result.converted(to: .bool)]
  }

  public func lower(_ context: inout LoweringContext) throws(Diagnostic) -> [BufferID]? {
    let (a, b) = (try context.operand(0), try context.operand(1))
    guard a.type.element.fitsRegister else { return nil }
    return [
      try context.map([a, b], .bool) { program, registers in
        self.program(&program, registers[0], registers[1])
      }
    ]
  }
}
