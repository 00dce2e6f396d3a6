import GraphIR
import KernelIR
import Support
import Tensors

/// A contraction of two operands of a node with what follows it, before it is known whether it runs on
/// floats, integers or FP8: activation(alpha · Σ left · right + beta · bias).
struct Contraction {
  /// The axes, and operands 0 and 1 with `skip` where taps leave the bounds.
  var kernel: Kernel
  /// Which operands of the node they are.
  var factors = (left: 0, right: 1)
  /// An operand of the node and its maps.
  var bias: (operand: Int, maps: [AffineMap])?
  var alpha: Float = 1
  var beta: Float = 1
  var activation = Activation.none

  /// What follows the sum, given the registers of sum and bias.
  func finish(_ program: inout Program, _ sum: Register, _ bias: Register?) -> Register {
    var value = sum
    if alpha != 1 { value = program.append(.multiply, program.append(constant: alpha), value) }
    if var bias {
      if beta != 1 { bias = program.append(.multiply, program.append(constant: beta), bias) }
      value = program.append(.add, value, bias)
    }
    return activation.append(to: &program, value)
  }

  /// The same in plain arithmetic.
  func finish(_ sum: Float, _ bias: Float?) -> Float {
    var value = Arithmetic.canonical(sum)
    if alpha != 1 { value = Arithmetic.multiply(alpha, value) }
    if var bias {
      if beta != 1 { bias = Arithmetic.multiply(beta, bias) }
      value = Arithmetic.add(value, bias)
    }
    return activation.apply(value)
  }
}

extension LoweringContext {
  /// Adds the contraction as one kernel: on integers or FP8 where both factors are quantized so, else on
  /// floats.
  mutating func contract(_ contraction: Contraction) throws(Diagnostic) -> BufferID {
    if let buffer = try integerContraction(contraction) { return buffer }
    var kernel = contraction.kernel
    let (left, right) = (
      try operand(contraction.factors.left), try operand(contraction.factors.right)
    )
    var buffers = [left.buffer, right.buffer]
    var scale: ContractionScale?
    if let found = try fp8Scale(contraction) {
      kernel.operands[0].type = left.stored
      kernel.operands[1].type = right.stored
      scale = found
      if let vector = try found.vector() {
        kernel.operands.append(Operand(vector.type, [found.map]))
        buffers.append(constant(vector))
      }
    }
    let biasIndex = kernel.operands.count
    if let bias = contraction.bias {
      let operand = try operand(bias.operand)
      kernel.operands.append(Operand(operand.type, bias.maps))
      buffers.append(operand.buffer)
    }
    kernel.post = Program { program in
      var sum = program.append(.input)
      if let scale {
        let factor =
          scale.values.count == 1 ? program.append(constant: scale.values[0]) : program.append(.operand(2))
        sum = program.append(.multiply, sum, factor)
      }
      let bias = contraction.bias == nil ? nil : program.append(.operand(biasIndex))
      return contraction.finish(&program, sum, bias)
    }
    kernel.element = results[0].type.element
    return self.kernel(kernel, buffers)
  }

  /// f32(sx · sw) of an FP8 contraction, or nil for other types.
  private func fp8Scale(_ contraction: Contraction) throws(Diagnostic) -> ContractionScale? {
    let (left, right) = (
      try operand(contraction.factors.left), try operand(contraction.factors.right)
    )
    guard left.stored.element.size == 1, left.stored.element.isFloat, right.stored.element.size == 1,
      right.stored.element.isFloat,
      let scale = ContractionScale(contraction, left.quantization, right.quantization)
    else { return nil }
    let length = try product(contraction.kernel.reductionAxes.map { contraction.kernel.axes[$0].extent })
    guard length <= ContractionScale.longestFP8Sum else {
      throw Diagnostic(
        .notLowered,
        "a sum of \(length) FP8 products, allowed are \(ContractionScale.longestFP8Sum)")
    }
    return scale
  }
}

/// The product of the scales of two factors, one or one per index along a dimension of the right one.
struct ContractionScale {
  /// Above it the sum of FP8 products need not be exact in f64.
  static let longestFP8Sum = 171_196

  /// In f64, sx · sw.
  let exact: [Double]
  /// The coordinate along which the scales vary.
  let map: AffineMap

  /// Nil where a factor has no quantization or varies along what is summed over.
  init?(_ contraction: Contraction, _ left: Quantization?, _ right: Quantization?) {
    guard let left, let right, left.axis == nil, left.scale.count == 1 else { return nil }
    exact = right.scale.map { Double(left.scale[0]) * Double($0) }
    guard let axis = right.axis else {
      guard right.scale.count == 1 else { return nil }
      map = 0
      return
    }
    let kernel = contraction.kernel
    map = kernel.operands[1].maps[axis]
    guard map.terms.allSatisfy({ kernel.axes[$0.axis].role == .parallel }) else { return nil }
  }

  var values: [Float] { exact.map { Float($0) } }

  /// The scales as a tensor, or nil where there is one.
  func vector() throws(Diagnostic) -> Tensor? {
    exact.count == 1 ? nil : try Tensor(TensorType(.f32, [exact.count]), values)
  }
}
