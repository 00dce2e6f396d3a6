import GraphIR
import KernelIR
import Support
import Tensors

/// Rows of x, its trailing dimensions from `axis` on, made to have mean 0 and variance 1, then scaled:
/// m = Σx / n, d = x - m, v = Σd² / n, y = d / √(v + epsilon) · scale + bias, in f32, sums by the rule of
/// `FloatSum`.
struct Normalization {
  let axis: Int
  let epsilon: Float
  /// Without it, m is no part of it and d is x.
  var centres = true

  /// - Parameters: the element of scale and bias that each element of x takes.
  func evaluate(
    _ x: Tensor, scale: ([Float], [Int]), bias: ([Float], [Int])?
  ) throws(Diagnostic) -> Tensor {
    let all = x.floatElements()
    let length = x.shape[axis...].reduce(1, *)
    let rows = length == 0 ? 0 : all.count / length
    var values: [Float] = []
    for row in 0..<rows {
      let places = (row * length)..<((row + 1) * length)
      let mean = Arithmetic.divide(Arithmetic.sum(places.map { all[$0] }), Float(length))
      let centred = places.map { centres ? Arithmetic.subtract(all[$0], mean) : all[$0] }
      let squares = Arithmetic.sum(centred.map { Arithmetic.multiply($0, $0) })
      let variance = Arithmetic.divide(squares, Float(length))
      let deviation = Arithmetic.sqrt(Arithmetic.add(variance, epsilon))
      for (place, value) in zip(places, centred) {
        let scaled = Arithmetic.multiply(Arithmetic.divide(value, deviation), scale.0[scale.1[place]])
        values.append(bias.map { Arithmetic.add(scaled, $0.0[$0.1[place]]) } ?? scaled)
      }
    }
    return try .floats(x.element, x.shape, values)
  }

  /// - Parameters: the operands that are scale and bias, and over which dimensions of x their own lie.
  func lower(
    _ x: LoweringContext.Argument, scale: (Int, [Int?]), bias: (Int, [Int?])?,
    _ context: inout LoweringContext
  ) throws(Diagnostic) -> BufferID {
    let shape = x.type.shape
    let length = Float(try product(Array(shape[axis...])))
    let row = TensorType(.f32, Array(shape[..<axis]))
    let (centred, wide) =
      centres ? (centre(x, length, row, &context), TensorType(.f32, shape)) : (x.buffer, x.type)
    let square = Program { program in
      let value = program.append(.input)
      return program.append(.multiply, value, value)
    }
    let deviation = reduce(wide, centred, pre: square, &context) { program in
      let variance = program.append(.divide, program.append(.input), program.append(constant: length))
      return program.append(.sqrt, program.append(.add, variance, program.append(constant: epsilon)))
    }
    var final = Kernel(.map, x.type.element)
    let axes = final.axes(of: shape)
    final.operands = [
      Operand(wide, axes.map { .axis($0) }), Operand(row, axes[..<axis].map { .axis($0) }),
    ]
    var buffers = [centred, deviation]
    for (index, dimensions) in [scale, bias].compactMap(\.self) {
      let operand = try context.operand(index)
      final.operands.append(Operand(operand.type, dimensions.map { $0.map { .axis(axes[$0]) } ?? 0 }))
      buffers.append(operand.buffer)
    }
    final.post = Program { program in
      let value = program.append(.operand(0))
      let normal = program.append(.divide, value, program.append(.operand(1)))
      let scaled = program.append(.multiply, normal, program.append(.operand(2)))
      return bias == nil ? scaled : program.append(.add, scaled, program.append(.operand(3)))
    }
    return context.kernel(final, buffers)
  }

  /// x - m.
  private func centre(
    _ x: LoweringContext.Argument, _ length: Float, _ row: TensorType, _ context: inout LoweringContext
  ) -> BufferID {
    let mean = reduce(x.type, x.buffer, &context) { program in
      program.append(.divide, program.append(.input), program.append(constant: length))
    }
    var kernel = Kernel(.map, .f32)
    let axes = kernel.axes(of: x.type.shape)
    kernel.operands = [
      Operand(x.type, axes.map { .axis($0) }), Operand(row, axes[..<axis].map { .axis($0) }),
    ]
    kernel.post = Program { program in
      let value = program.append(.operand(0))
      return program.append(.subtract, value, program.append(.operand(1)))
    }
    return context.kernel(kernel, [x.buffer, mean])
  }

  private func reduce(
    _ type: TensorType, _ buffer: BufferID, pre: Program = .identity, _ context: inout LoweringContext,
    _ post: (inout Program) -> Register
  ) -> BufferID {
    var kernel = Kernel(.reduce(.sum), .f32)
    let axes = type.shape.enumerated().map { kernel.axis("d\($0)", $1, $0 < axis ? .parallel : .reduce) }
    kernel.operands = [Operand(type, axes.map { .axis($0) }, pre: pre)]
    kernel.post = Program(post)
    return context.kernel(kernel, [buffer])
  }
}
