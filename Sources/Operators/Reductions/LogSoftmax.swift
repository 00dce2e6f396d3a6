import GraphIR
import KernelIR
import Support
import Tensors

/// Along an axis: m = max, s = Σ exp(x - m) by the rule of `FloatSum`, y = (x - m) - log(s); all in f32.
public struct LogSoftmax: Operator {
  public var axis = -1

  public static let schema = Schema("LogSoftmax", since: [1, 11, 13], operands: 1...1)
  public static let fields: [AttributeField<LogSoftmax>] = [AttributeField("axis", \.axis)]

  public init() {}

  public func infer(_ context: InferenceContext) throws(Diagnostic) -> [ValueType] {
    let x = try context.type(0, of: ElementType.narrowFloats)
    _ = try normalized(axis, rank: x.rank)
    return [x]
  }

  public func evaluate(_ operands: [Tensor?]) throws(Diagnostic) -> [Tensor] {
    let x = try operands.tensor(0)
    let axis = try normalized(axis, rank: x.shape.count)
    let (length, strides) = (x.shape[axis], x.type.strides)
    let all = x.floatElements()
    var values = all
    let starts = indices(of: x.shape) { $0[axis] == 0 ? dot($0, strides) : -1 }.filter { $0 >= 0 }
    for start in starts {
      let places = (0..<length).map { start + $0 * strides[axis] }
      let largest = Arithmetic.maximum(of: places.map { all[$0] })
      let centred = places.map { Arithmetic.subtract(all[$0], largest) }
      let logarithm = Arithmetic.log(Arithmetic.sum(centred.map { Arithmetic.exp($0) }))
      for (place, value) in zip(places, centred) { values[place] = Arithmetic.subtract(value, logarithm) }
    }
    return [try .floats(x.element, x.shape, values)]
  }

  public func lower(_ context: inout LoweringContext) throws(Diagnostic) -> [BufferID]? {
    let x = try context.operand(0)
    let axis = try normalized(axis, rank: x.type.shape.count)
    let wide = TensorType(.f32, x.type.shape)
    let steps = Softmax()
    let largest = steps.reduce(.maximum, x.type, x.buffer, axis, &context)
    let centred = steps.combine(x.type, x.buffer, largest, .f32, axis, &context) { program, value, largest in
      program.append(.subtract, value, largest)
    }
    var kernel = Kernel(.reduce(.sum), .f32)
    let axes = x.type.shape.enumerated().map { index, extent in
      kernel.axis("d\(index)", extent, index == axis ? .reduce : .parallel)
    }
    let power = Program { (program) in
      let value = program.append(.input)
      return program.append(.exp, value)
    }
    kernel.operands = [Operand(wide, axes.map { .axis($0) }, pre: power)]
    kernel.post = Program { (program) in
      let sum = program.append(.input)
      return program.append(.log, sum)
    }
    let logarithm = context.kernel(kernel, [centred])
    return [
      steps.combine(wide, centred, logarithm, x.type.element, axis, &context) { program, value, logarithm in
        program.append(.subtract, value, logarithm)
      }
    ]
  }
}
