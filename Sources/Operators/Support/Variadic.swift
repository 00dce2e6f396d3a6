import GraphIR
import KernelIR
import Support
import Tensors

/// A function of two numbers, folded over any number of operands that broadcast.
protocol VariadicFunction: Operator {
  static var step: Program.Binary { get }
  func apply(_ a: Float, _ b: Float) -> Float
  func apply(_ a: Double, _ b: Double) -> Double
  func apply(_ a: Int, _ b: Int) -> Int
}

extension VariadicFunction {
  public func infer(_ context: InferenceContext) throws(Diagnostic) -> [ValueType] {
    let first = try context.type(0, of: ElementType.numbers)
    var types: [ValueType] = []
    for index in context.operands.indices {
      types.append(try context.type(index))
      guard types[index].element == first.element else {
        throw Diagnostic(.invalidOperand, "operands are \(types), of different types")
      }
    }
    return [ValueType(first.element, try broadcast(types))]
  }

  public func evaluate(_ operands: [Tensor?]) throws(Diagnostic) -> [Tensor] {
    // Narrow floats round once: between the steps values are f32.
    let element = try operands.tensor(0).element
    let wide = element.isFloat && element != .f64 ? ElementType.f32 : element
    var result = try operands.tensor(0).converted(to: wide)
    for index in operands.indices.dropFirst() {
      result = try result.combine(
        try operands.tensor(index).converted(to: wide), float: apply, double: apply, integer: apply)
    }
    return [try result.converted(to: element)]
  }

  public func lower(_ context: inout LoweringContext) throws(Diagnostic) -> [BufferID]? {
    var operands: [LoweringContext.Argument] = []
    for index in context.operands.indices { operands.append(try context.operand(index)) }
    let element = operands[0].type.element
    let isOrder = Self.step == .maximum || Self.step == .minimum
    guard element.fitsRegister, element.isFloat || isOrder else { return nil }
    let result = try context.map(operands, element) { program, registers in
      registers.dropFirst().reduce(registers[0]) { program.append(Self.step, $0, $1) }
    }
    return [result]
  }
}
