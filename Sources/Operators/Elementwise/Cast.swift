import GraphIR
import KernelIR
import Support
import Tensors

/// Conversion between element types, as `Tensor.converted`: floats to integers truncate and saturate,
/// integers to integers keep the low bits, FP8 saturates.
public struct Cast: Operator {
  /// f32 where a graph leaves it out; ONNX does not.
  public var to: ElementType?
  /// ONNX's choice for FP8; only true is supported.
  public var saturate = true

  public static let schema = Schema("Cast", since: [1, 6, 9, 13, 19, 21, 23], operands: 1...1)
  public static let fields: [AttributeField<Cast>] = [
    AttributeField("to", \.to), AttributeField("saturate", \.saturate),
  ]

  public init() {}

  private var target: ElementType { to ?? .f32 }

  public func infer(_ context: InferenceContext) throws(Diagnostic) -> [ValueType] {
    let to = target
    guard saturate || (to != .f8e4m3 && to != .f8e5m2) else {
      throw Diagnostic(.invalidOperand, "a cast to \(to.rawValue) must saturate")
    }
    return [ValueType(to, try context.type(0).shape)]
  }

  public func evaluate(_ operands: [Tensor?]) throws(Diagnostic) -> [Tensor] {
    [try operands.tensor(0).converted(to: target)]
  }

  public func lower(_ context: inout LoweringContext) throws(Diagnostic) -> [BufferID]? {
    let x = try context.operand(0)
    let (from, to) = (x.type.element, target)
    guard from.fitsRegister, to.fitsRegister else { return nil }
    if from == to { return [context.view(x.buffer, x.type.shape)] }
    let result = try context.map([x], to) { program, registers in
      convert(registers[0], from: from, to: to, &program)
    }
    return [result]
  }

  /// The register that stores as the cast's result.
  private func convert(
    _ x: Register, from: ElementType, to: ElementType, _ program: inout Program
  ) -> Register {
    switch (from.isFloat, to.isFloat) {
    case (_, false) where to == .bool:
      let zero = from.isFloat ? program.append(constant: Float(0)) : program.append(constant: Int32(0))
      return program.append(.not, program.append(.equal, x, zero))
    case (true, true): return x
    case (true, false): return program.append(.toInteger, x)
    case (false, true): return program.append(.toFloat, x)
    case (false, false):
      let bits = to == .i4 || to == .u4 ? 4 : Int32(8 * to.size)
      guard bits < 32 else { return x }
      let shift = program.append(constant: 32 - bits)
      guard to == .u4 || to == .u8 || to == .u16 else {
        return program.append(.shiftRight, program.append(.shiftLeft, x, shift), shift)
      }
      return program.append(.and, x, program.append(constant: Int32(1) << bits - 1))
    }
  }
}
