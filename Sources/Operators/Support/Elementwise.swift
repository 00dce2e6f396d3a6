import GraphIR
import KernelIR
import Support
import Tensors

/// A function of one number, element by element.
protocol ElementwiseFunction: Operator {
  static var elements: [ElementType] { get }
  func apply(_ x: Float) -> Float
  func apply(_ x: Double) -> Double
  func apply(_ x: Int) -> Int
  func program(_ program: inout Program, _ x: Register, isFloat: Bool) -> Register
}

extension ElementwiseFunction {
  static var elements: [ElementType] { ElementType.floats }
  func apply(_ x: Int) -> Int { x }

  public func infer(_ context: InferenceContext) throws(Diagnostic) -> [ValueType] {
    [try context.type(0, of: Self.elements)]
  }

  public func evaluate(_ operands: [Tensor?]) throws(Diagnostic) -> [Tensor] {
    [try operands.tensor(0).map(float: apply, double: apply, integer: apply)]
  }

  public func lower(_ context: inout LoweringContext) throws(Diagnostic) -> [BufferID]? {
    let x = try context.operand(0)
    guard x.type.element.fitsRegister else { return nil }
    let result = try context.map([x], x.type.element) { program, registers in
      self.program(&program, registers[0], isFloat: x.type.element.isFloat)
    }
    return [result]
  }
}

/// A function of two numbers of one type, which broadcast. Integers wrap.
protocol BinaryFunction: Operator {
  static var step: Program.Binary { get }
  func apply(_ a: Float, _ b: Float) -> Float
  func apply(_ a: Double, _ b: Double) -> Double
  func apply(_ a: Int, _ b: Int) -> Int
  /// Applied in f32 before the result is rounded.
  var activation: Activation { get }
}

extension BinaryFunction {
  var activation: Activation { .none }

  public func infer(_ context: InferenceContext) throws(Diagnostic) -> [ValueType] {
    let a = try context.type(0, of: ElementType.numbers)
    let b = try context.type(1)
    guard a.element == b.element else {
      throw Diagnostic(.invalidOperand, "operands are \(a) and \(b), of different types")
    }
    return [ValueType(a.element, try broadcast([a, b]))]
  }

  public func evaluate(_ operands: [Tensor?]) throws(Diagnostic) -> [Tensor] {
    let a = try operands.tensor(0)
    let result = try a.combine(
      try operands.tensor(1), float: { activation.apply(apply($0, $1)) },
      double: { activation.apply(apply($0, $1)) }, integer: { activation.apply(apply($0, $1)) })
    return [result]
  }

  public func lower(_ context: inout LoweringContext) throws(Diagnostic) -> [BufferID]? {
    let (a, b) = (try context.operand(0), try context.operand(1))
    let element = a.type.element
    let isExact = element == .i32 && Self.step != .divide && activation == .none
    guard isExact || ElementType.narrowFloats.contains(element) else { return nil }
    let result = try context.map([a, b], element) { program, registers in
      activation.append(to: &program, program.append(Self.step, registers[0], registers[1]))
    }
    return [result]
  }
}

/// What an operator applies to its result before rounding. An attribute of our own, which passes set.
public enum Activation: String, AttributeChoice, Sendable {
  case none = ""
  case relu = "Relu"

  func apply(_ x: Float) -> Float { self == .none ? x : Arithmetic.maximum(x, 0) }
  func apply(_ x: Double) -> Double { self == .none || x.isNaN ? x : max(x, 0) }
  func apply(_ x: Int) -> Int { self == .none ? x : max(x, 0) }

  func append(to program: inout Program, _ x: Register) -> Register {
    self == .none ? x : program.append(.maximum, x, program.append(constant: Float(0)))
  }
}

extension [Tensor?] {
  /// An operand of `Operator.evaluate` that must be there. - Throws: `invalidOperand` where it is absent.
  public func tensor(_ index: Int) throws(Diagnostic) -> Tensor {
    guard indices.contains(index), let tensor = self[index] else {
      throw Diagnostic(.invalidOperand, "operand \(index) is absent")
    }
    return tensor
  }

  /// An operand of `Operator.evaluate`, or nil where it is absent.
  public func optional(_ index: Int) -> Tensor? { indices.contains(index) ? self[index] : nil }
}
