import GraphIR
import KernelIR
import Support
import Tensors

/// Inference: (x - mean) · (scale / √(variance + epsilon)) + bias per index of dimension 1, each step
/// rounded to f32. Operands are x, scale, bias, mean, variance.
public struct BatchNormalization: Operator {
  public var epsilon: Float = 1e-5
  /// Of training; without effect.
  public var momentum: Float = 0.9
  public var trainingMode = false

  public static let schema = Schema("BatchNormalization", since: [1, 6, 7, 9, 14, 15], operands: 5...5)
  public static let fields: [AttributeField<BatchNormalization>] = [
    AttributeField("epsilon", \.epsilon), AttributeField("momentum", \.momentum),
    AttributeField("training_mode", \.trainingMode),
  ]

  public init() {}

  public func infer(_ context: InferenceContext) throws(Diagnostic) -> [ValueType] {
    let x = try context.type(0, of: ElementType.narrowFloats)
    guard !trainingMode, x.rank >= 2 else {
      throw Diagnostic(.invalidOperand, "x is \(x) and training_mode \(trainingMode); allowed is inference")
    }
    for index in 1...4 {
      let parameter = try context.type(index, of: ElementType.narrowFloats)
      guard parameter.agrees(with: ValueType(parameter.element, [x.shape[1]])) else {
        throw Diagnostic(.invalidOperand, "operand \(index) is \(parameter), x is \(x)")
      }
    }
    return [x]
  }

  public func evaluate(_ operands: [Tensor?]) throws(Diagnostic) -> [Tensor] {
    let x = try operands.tensor(0)
    let (scale, bias) = (try operands.tensor(1).floatElements(), try operands.tensor(2).floatElements())
    let (mean, variance) = (try operands.tensor(3).floatElements(), try operands.tensor(4).floatElements())
    let inner = x.shape[2...].reduce(1, *)
    let values = x.floatElements().enumerated().map { index, value in
      let channel = index / inner % x.shape[1]
      let deviation = Arithmetic.sqrt(Arithmetic.add(variance[channel], epsilon))
      let factor = Arithmetic.divide(scale[channel], deviation)
      let centred = Arithmetic.subtract(value, mean[channel])
      return Arithmetic.add(Arithmetic.multiply(centred, factor), bias[channel])
    }
    return [try .floats(x.element, x.shape, values)]
  }

  public func lower(_ context: inout LoweringContext) throws(Diagnostic) -> [BufferID]? {
    let x = try context.operand(0)
    var kernel = Kernel(.map, x.type.element)
    let axes = x.type.shape.enumerated().map { kernel.axis($0 == 0 ? "n" : $0 == 1 ? "c" : "d\($0)", $1) }
    kernel.operands = [Operand(x.type, axes.map { .axis($0) })]
    var buffers = [x.buffer]
    for index in 1...4 {
      let parameter = try context.operand(index)
      kernel.operands.append(Operand(parameter.type, [.axis(axes[1])]))
      buffers.append(parameter.buffer)
    }
    kernel.post = Program { program in
      let registers = (0...4).map { program.append(.operand($0)) }
      let variance = program.append(.add, registers[4], program.append(constant: epsilon))
      let factor = program.append(.divide, registers[1], program.append(.sqrt, variance))
      let centred = program.append(.subtract, registers[0], registers[3])
      return program.append(.add, program.append(.multiply, centred, factor), registers[2])
    }
    return [context.kernel(kernel, buffers)]
  }
}
