import GraphIR
import KernelIR
import Support
import Tensors

// Rule Q: what stored numbers mean, once for evaluation and once for programs.

extension Quantization {
  /// The real values of stored numbers, in f32: (q - zeroPoint) · scale.
  public func dequantize(_ tensor: Tensor) throws(Diagnostic) -> Tensor {
    let channel = channels(of: tensor.shape)
    let values: [Float] = (0..<tensor.count).map { index in
      let place = channel(index)
      switch tensor[index] {
      case .i32(let value):
        return Arithmetic.dequantize(value, scale: scale[place], zeroPoint: zeroPoint[place])
      case .f32(let value): return Arithmetic.multiply(value, scale[place])
      }
    }
    return try .floats(.f32, tensor.shape, values)
  }

  /// The stored numbers nearest to real values: clamp(roundHalfEven(x / scale) + zeroPoint).
  public func quantize(_ tensor: Tensor, to element: ElementType) throws(Diagnostic) -> Tensor {
    let channel = channels(of: tensor.shape)
    let values = tensor.floatElements()
    return try Tensor(TensorType(element, tensor.shape)) { (index) throws(Diagnostic) -> Scalar in
      let place = channel(index)
      guard let range = element.integerRange else {
        return .f32(Arithmetic.divide(values[index], scale[place]))
      }
      return .i32(
        Arithmetic.quantize(
          values[index], scale: scale[place], zeroPoint: zeroPoint[place], low: range.lowerBound,
          high: range.upperBound))
    }
  }

  /// From the index of an element to that of its scale.
  private func channels(of shape: [Int]) -> (Int) -> Int {
    guard let axis, scale.count > 1 else { return { _ in 0 } }
    let inner = shape[(axis + 1)...].reduce(1, *)
    let extent = shape[axis]
    return { $0 / inner % extent }
  }

  /// Whether one scale serves all elements.
  var isUniform: Bool { scale.count == 1 && zeroPoint.count == 1 }

  /// Whether every stored number of `element` comes back from its real value, so that copies may stay in
  /// the stored domain: no product with the scale overflows or loses bits.
  func returns(_ element: ElementType) -> Bool {
    guard let range = element.integerRange, element.size <= 2, isUniform else { return false }
    let largest = max(abs(Float(range.lowerBound)), abs(Float(range.upperBound))) * 2
    return scale[0] >= .leastNormalMagnitude && (scale[0] * largest).isFinite
  }
}

extension Program {
  /// From a stored number of `element` to its real value.
  mutating func dequantize(_ x: Register, _ element: ElementType, scale: Register, zeroPoint: Int32)
    -> Register
  {
    element.isFloat
      ? append(.multiply, x, scale) : append(.dequantize(x, scale: scale, zeroPoint: zeroPoint))
  }

  /// From a real value to what `element` stores.
  mutating func quantize(_ x: Register, _ element: ElementType, scale: Register, zeroPoint: Int32) -> Register
  {
    guard let range = element.integerRange else { return append(.divide, x, scale) }
    return append(
      .quantize(x, scale: scale, zeroPoint: zeroPoint, low: range.lowerBound, high: range.upperBound))
  }

  /// By a quantization with one scale.
  mutating func dequantize(_ x: Register, _ element: ElementType, by quantization: Quantization) -> Register {
    let scale = append(constant: quantization.scale[0])
    return dequantize(x, element, scale: scale, zeroPoint: quantization.zeroPoint[0])
  }

  mutating func quantize(_ x: Register, _ element: ElementType, by quantization: Quantization) -> Register {
    let scale = append(constant: quantization.scale[0])
    return quantize(x, element, scale: scale, zeroPoint: quantization.zeroPoint[0])
  }
}

/// A map kernel over one tensor that dequantizes, quantizes or both, and the constants that it reads.
struct ConversionKernel {
  private(set) var kernel: Kernel
  private(set) var constants: [Tensor] = []

  /// From stored numbers of `source` (real ones for nil) to stored numbers of `target` (likewise).
  init(
    _ type: TensorType, from source: Quantization?, to target: Quantization?, _ element: ElementType
  ) throws(Diagnostic) {
    kernel = Kernel(.map, element)
    let axes = kernel.axes(of: type.shape)
    kernel.operands = [Operand(type, axes.map { .axis($0) })]
    var sourcePlaces: (scale: Int, zero: Int)?
    var targetPlaces: (scale: Int, zero: Int)?
    if let source, !source.isUniform { sourcePlaces = try vectors(source, axes) }
    if let target, !target.isUniform { targetPlaces = try vectors(target, axes) }
    kernel.post = Program { program in
      var value = program.append(.operand(0))
      if let source {
        if let places = sourcePlaces {
          if !type.element.isFloat {
            value = program.append(.subtract, value, program.append(.operand(places.zero)))
          }
          let scale = program.append(.operand(places.scale))
          value = program.dequantize(value, type.element, scale: scale, zeroPoint: 0)
        } else {
          value = program.dequantize(value, type.element, by: source)
        }
      }
      if let target {
        if let places = targetPlaces {
          value = Self.quantize(&program, value, element, places)
        } else {
          value = program.quantize(value, element, by: target)
        }
      }
      return value
    }
  }

  /// With a zero point per channel: round and clamp far outside the type, add, clamp to the type.
  private static func quantize(
    _ program: inout Program, _ value: Register, _ element: ElementType, _ places: (scale: Int, zero: Int)
  ) -> Register {
    let scale = program.append(.operand(places.scale))
    guard let range = element.integerRange, element != .i32 else {
      return program.quantize(value, element, scale: scale, zeroPoint: 0)
    }
    let far: Int32 = 1 << 30
    let rounded = program.append(.quantize(value, scale: scale, zeroPoint: 0, low: -far, high: far))
    let sum = program.append(.add, rounded, program.append(.operand(places.zero)))
    let low = program.append(constant: range.lowerBound)
    let high = program.append(constant: range.upperBound)
    return program.append(.minimum, program.append(.maximum, sum, low), high)
  }

  /// Adds operands for scales and zero points along the quantization's axis.
  private mutating func vectors(
    _ quantization: Quantization, _ axes: [AxisID]
  ) throws(Diagnostic) -> (scale: Int, zero: Int) {
    let maps = [AffineMap.axis(axes[quantization.axis ?? 0])]
    let count = kernel.operands.count
    let scale = try Tensor(TensorType(.f32, [quantization.scale.count]), quantization.scale)
    let zero = try Tensor(TensorType(.i32, [quantization.zeroPoint.count]), quantization.zeroPoint)
    for tensor in [scale, zero] {
      kernel.operands.append(Operand(tensor.type, maps))
      constants.append(tensor)
    }
    return (count, count + 1)
  }
}
