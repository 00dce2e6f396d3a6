import Furc

/// √(Σx² / n + epsilon) over all n positions of a channel: x `[N, C, D1, …]` gives `[N, C, 1, …]` of the same
/// element type.
///
/// Computed in f32: each square is rounded, the sum goes by the rule of `FloatSum`, and the result is rounded once
/// to the element type.
struct GlobalRMSPool: Operator {
  /// Added to the mean of the squares.
  var epsilon: Float = 0

  static let schema = Schema("GlobalRMSPool", domain: "com.example", since: [1], operands: 1...1)
  static let fields: [AttributeField<GlobalRMSPool>] = [AttributeField("epsilon", \.epsilon)]

  func infer(_ context: InferenceContext) throws(Diagnostic) -> [ValueType] {
    let x = try context.type(0, of: [.f16, .bf16, .f32])
    guard x.rank > 2 else {
      throw Diagnostic(.invalidOperand, "x is \(x), allowed are three dimensions and more")
    }
    return [ValueType(x.element, x.shape.prefix(2) + x.shape.dropFirst(2).map { _ in 1 })]
  }

  /// The definition. What else computes the operator must give these bytes.
  func evaluate(_ operands: [Tensor?]) throws(Diagnostic) -> [Tensor] {
    let x = try operands.tensor(0)
    let (channels, positions) = (x.shape.prefix(2).reduce(1, *), x.shape.dropFirst(2).reduce(1, *))
    let squares = x.floatElements().map { Arithmetic.multiply($0, $0) }
    let pooled = (0..<channels).map { channel in
      let sum = Arithmetic.sum(squares[channel * positions..<(channel + 1) * positions])
      let mean = Arithmetic.divide(sum, Float(positions))
      return Arithmetic.sqrt(Arithmetic.add(mean, epsilon))
    }
    let shape = x.shape.prefix(2) + x.shape.dropFirst(2).map { _ in 1 }
    return [try Tensor(TensorType(.f32, Array(shape)), pooled).converted(to: x.element)]
  }

  /// One reduction that squares as it reads and ends with the root. Where x or the result is quantized, what calls
  /// this makes the kernel read and give stored numbers.
  func lower(_ context: inout LoweringContext) throws(Diagnostic) -> [BufferID]? {
    let x = try context.operand(0)
    let positions = x.type.shape.dropFirst(2).reduce(1, *)
    var kernel = Kernel(.reduce(.sum), x.type.element)
    let axes = x.type.shape.enumerated().map { index, extent in
      kernel.axis("d\(index)", extent, index < 2 ? .parallel : .reduce)
    }
    let square = Program { program in
      let x = program.append(.input)
      return program.append(.multiply, x, x)
    }
    kernel.operands = [Operand(x.type, axes.map { .axis($0) }, pre: square)]
    kernel.post = Program { program in
      let sum = program.append(.input)
      let mean = program.append(.divide, sum, program.append(constant: Float(positions)))
      return program.append(.sqrt, program.append(.add, mean, program.append(constant: epsilon)))
    }
    let pooled = context.kernel(kernel, [x.buffer])
    return [context.view(pooled, context.results[0].type.shape)]
  }
}
