import GraphIR
import KernelIR
import Support
import Tensors

/// An operator whose result holds the elements of operand 0 under another shape.
protocol ReshapingOperator: Operator {
  /// The result's shape; `operands` are the values of the other operands.
  func shape(of x: [Int], _ operands: [Tensor?]) throws(Diagnostic) -> [Int]
}

extension ReshapingOperator {
  public func evaluate(_ operands: [Tensor?]) throws(Diagnostic) -> [Tensor] {
    let x = try operands.tensor(0)
    return [try x.reshaped(try shape(of: x.shape, operands))]
  }

  public func lower(_ context: inout LoweringContext) throws(Diagnostic) -> [BufferID]? {
    let x = try context.operand(0)
    return [context.view(x.buffer, context.results[0].type.shape)]
  }
}
