import Glibc
import GraphIR
import KernelIR
import Support
import Tensors

/// x^y with broadcasting, of x's type. For exponents -1, 0, 0.5, 1, 2 and 3 it is 1 / x, 1, √x, x, x · x and
/// x · x · x, each step rounded; others go through f64 and round once.
public struct Pow: Operator {
  public static let schema = Schema("Pow", since: [1, 7, 12, 13, 15], operands: 2...2)
  public static let fields: [AttributeField<Pow>] = []

  public init() {}

  public func infer(_ context: InferenceContext) throws(Diagnostic) -> [ValueType] {
    let x = try context.type(0, of: ElementType.floats + [.i32, .i64])
    let y = try context.type(1, of: ElementType.numbers)
    return [ValueType(x.element, try broadcast([x, y]))]
  }

  private func power(_ x: Float, _ y: Float) -> Float {
    switch y {
    case -1: Arithmetic.reciprocal(x)
    case 0: 1
    case 0.5: Arithmetic.sqrt(x)
    case 1: x
    case 2: Arithmetic.multiply(x, x)
    case 3: Arithmetic.multiply(Arithmetic.multiply(x, x), x)
    default: Arithmetic.canonical(Float(Glibc.pow(Double(x), Double(y))))
    }
  }

  public func evaluate(_ operands: [Tensor?]) throws(Diagnostic) -> [Tensor] {
    let x = try operands.tensor(0)
    let element = x.element.isFloat ? x.element : .f64
    let wide = element == .f64 ? ElementType.f64 : .f32
    let base = try x.converted(to: wide)
    let result = try base.combine(
      try operands.tensor(1).converted(to: wide), float: power, double: { Glibc.pow($0, $1) },
      integer: { base, _ in base })
    return [try result.converted(to: x.element)]
  }

  public func lower(_ context: inout LoweringContext) throws(Diagnostic) -> [BufferID]? {
    let x = try context.operand(0)
    guard ElementType.narrowFloats.contains(x.type.element), let exponents = try context.operand(1).constant,
      exponents.count == 1, context.results[0].type == x.type,
      let exponent = exponents.doubleElements().first,
      [-1, 0, 0.5, 1, 2, 3].contains(exponent)
    else { return nil }
    let result = try context.map([x], x.type.element) { program, registers in
      let x = registers[0]
      switch exponent {
      case -1: return program.append(.reciprocal, x)
      case 0: return program.append(constant: Float(1))
      case 0.5: return program.append(.sqrt, x)
      case 1: return x
      case 2: return program.append(.multiply, x, x)
      default: return program.append(.multiply, program.append(.multiply, x, x), x)
      }
    }
    return [result]
  }
}
