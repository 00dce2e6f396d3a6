import GraphIR
import KernelIR
import Support
import Tensors

/// clamp(roundHalfEven(x / scale) + zeroPoint), FP8 as round(x / scale). Operands are x, scale, zero point;
/// the latter two are scalars or vectors along `axis`.
public struct QuantizeLinear: Operator {
  public var axis = 1
  public var blockSize = 0
  public var outputType: ElementType?
  public var precision = 0
  public var saturate = true

  public static let schema = Schema(
    "QuantizeLinear", since: [10, 13, 19, 21, 23], operands: 2...3, optional: [2], isConversion: true)
  public static let fields: [AttributeField<QuantizeLinear>] = [
    AttributeField("axis", \.axis), AttributeField("block_size", \.blockSize),
    AttributeField("output_dtype", \.outputType), AttributeField("precision", \.precision),
    AttributeField("saturate", \.saturate),
  ]

  public init() {}

  public func infer(_ context: InferenceContext) throws(Diagnostic) -> [ValueType] {
    let x = try context.type(0, of: ElementType.narrowFloats + [.i32])
    _ = try context.type(1, of: ElementType.narrowFloats)
    guard blockSize == 0, saturate else {
      throw Diagnostic(.invalidOperand, "block_size is \(blockSize), saturate \(saturate)")
    }
    let stored = context.has(2) ? try context.type(2).element : outputType ?? .u8
    guard Quantization.elements.contains(stored), outputType == nil || outputType == stored else {
      throw Diagnostic(.invalidOperand, "the result is \(stored.rawValue)")
    }
    try checkParameters(context, x, axis: axis)
    return [ValueType(stored, x.shape)]
  }

  public func evaluate(_ operands: [Tensor?]) throws(Diagnostic) -> [Tensor] {
    let x = try operands.tensor(0)
    let stored = operands.optional(2)?.element ?? outputType ?? .u8
    let quantization = try Quantization(
      scale: try operands.tensor(1), zeroPoint: operands.optional(2), rank: x.shape.count, axis: axis)
    return [try quantization.quantize(try x.converted(to: .f32), to: stored)]
  }

  public func lower(_ context: inout LoweringContext) throws(Diagnostic) -> [BufferID]? {
    let x = try context.operand(0)
    guard let quantization = try context.quantization(axis: axis) else { return nil }
    var type = x.type
    var buffer = x.buffer
    if type.element == .i32 {
      buffer = try context.map([x], .f32) { $0.append(.toFloat, $1[0]) }
      type = TensorType(.f32, type.shape)
    }
    let conversion = try ConversionKernel(
      type, from: nil, to: quantization, context.results[0].stored.element)
    return [context.convert(buffer, conversion)]
  }
}

/// (x - zeroPoint) · scale, in f32 and rounded to the scale's type. Operands as of QuantizeLinear.
public struct DequantizeLinear: Operator {
  public var axis = 1
  public var blockSize = 0
  public var outputType: ElementType?

  public static let schema = Schema(
    "DequantizeLinear", since: [10, 13, 19, 21, 23], operands: 2...3, optional: [2], isConversion: true)
  public static let fields: [AttributeField<DequantizeLinear>] = [
    AttributeField("axis", \.axis), AttributeField("block_size", \.blockSize),
    AttributeField("output_dtype", \.outputType),
  ]

  public init() {}

  public func infer(_ context: InferenceContext) throws(Diagnostic) -> [ValueType] {
    let x = try context.type(0, of: Quantization.elements)
    let scale = try context.type(1, of: ElementType.narrowFloats)
    guard blockSize == 0 else { throw Diagnostic(.invalidOperand, "block_size is \(blockSize)") }
    if context.has(2), try context.type(2).element != x.element {
      throw Diagnostic(.invalidOperand, "x is \(x), the zero point \(try context.type(2))")
    }
    try checkParameters(context, x, axis: axis)
    return [ValueType(outputType ?? scale.element, x.shape)]
  }

  public func evaluate(_ operands: [Tensor?]) throws(Diagnostic) -> [Tensor] {
    let x = try operands.tensor(0)
    let scale = try operands.tensor(1)
    let quantization = try Quantization(
      scale: scale, zeroPoint: operands.optional(2), rank: x.shape.count, axis: axis)
    return [try quantization.dequantize(x).converted(to: outputType ?? scale.element)]
  }

  public func lower(_ context: inout LoweringContext) throws(Diagnostic) -> [BufferID]? {
    let x = try context.operand(0)
    guard let quantization = try context.quantization(axis: axis) else { return nil }
    let conversion = try ConversionKernel(
      x.type, from: quantization, to: nil, context.results[0].type.element)
    return [context.convert(x.buffer, conversion)]
  }
}

/// Scale and zero point are scalars, or vectors as long as the axis.
private func checkParameters(
  _ context: InferenceContext, _ x: ValueType, axis: Int
) throws(Diagnostic) {
  for index in 1...2 where context.has(index) {
    let type = try context.type(index)
    if type.rank == 0 || type.extents == [1] { continue }
    let axis = try normalized(axis, rank: x.rank)
    guard type.agrees(with: ValueType(type.element, [x.shape[axis]])) else {
      throw Diagnostic(.invalidOperand, "operand \(index) is \(type), x is \(x), axis \(axis)")
    }
  }
}

extension Quantization {
  /// As the operands of QuantizeLinear state it.
  public init(scale: Tensor, zeroPoint: Tensor?, rank: Int, axis: Int) throws(Diagnostic) {
    let scales = scale.floatElements()
    var zeros = [Int32](repeating: 0, count: scales.count)
    if let zeroPoint, !zeroPoint.element.isFloat {
      zeros = try zeroPoint.int64Elements().map { Int32(clamping: $0) }
    }
    if zeros.count == 1 { zeros = scales.map { _ in zeros[0] } }
    guard zeros.count == scales.count else {
      throw Diagnostic(.invalidOperand, "\(scales.count) scales, \(zeros.count) zero points")
    }
    self.init(
      scale: scales, zeroPoint: zeros, axis: scales.count == 1 ? nil : try normalized(axis, rank: rank))
  }
}

extension LoweringContext {
  /// What constant operands 1 and 2 state, or nil where they are not constant.
  func quantization(axis: Int) throws(Diagnostic) -> Quantization? {
    guard let scale = try operand(1).constant, !has(2) || operands[2]?.constant != nil else { return nil }
    let zeroPoint = has(2) ? try operand(2).constant : nil
    return try Quantization(
      scale: scale, zeroPoint: zeroPoint, rank: try operand(0).type.shape.count, axis: axis)
  }

  mutating func convert(_ buffer: BufferID, _ conversion: ConversionKernel) -> BufferID {
    let constants = conversion.constants.map { constant($0) }
    return kernel(conversion.kernel, [buffer] + constants)
  }
}
