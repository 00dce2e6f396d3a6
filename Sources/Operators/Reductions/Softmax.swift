import GraphIR
import KernelIR
import Support
import Tensors

/// Along an axis: m = max, e = exp(x - m), s = sum by the rule of `FloatSum`, y = e / s; all in f32.
public struct Softmax: Operator {
  public var axis = -1

  public static let schema = Schema("Softmax", since: [1, 11, 13], operands: 1...1)
  public static let fields: [AttributeField<Softmax>] = [AttributeField("axis", \.axis)]

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
      let powers = places.map { Arithmetic.exp(Arithmetic.subtract(all[$0], largest)) }
      let sum = Arithmetic.sum(powers)
      for (place, power) in zip(places, powers) { values[place] = Arithmetic.divide(power, sum) }
    }
    return [try .floats(x.element, x.shape, values)]
  }

  public func lower(_ context: inout LoweringContext) throws(Diagnostic) -> [BufferID]? {
    let x = try context.operand(0)
    let axis = try normalized(axis, rank: x.type.shape.count)
    let wide = TensorType(.f32, x.type.shape)
    let largest = reduce(.maximum, x.type, x.buffer, axis, &context)
    let powers = combine(x.type, x.buffer, largest, .f32, axis, &context) { program, value, largest in
      program.append(.exp, program.append(.subtract, value, largest))
    }
    let sum = reduce(.sum, wide, powers, axis, &context)
    let result = combine(wide, powers, sum, x.type.element, axis, &context) { program, power, sum in
      program.append(.divide, power, sum)
    }
    return [result]
  }

  /// The reduction along the axis, in f32.
  func reduce(
    _ reduction: Kernel.Reduction, _ type: TensorType, _ buffer: BufferID, _ axis: Int,
    _ context: inout LoweringContext
  ) -> BufferID {
    var kernel = Kernel(.reduce(reduction), .f32)
    let axes = type.shape.enumerated().map { index, extent in
      kernel.axis("d\(index)", extent, index == axis ? .reduce : .parallel)
    }
    kernel.operands = [Operand(type, axes.map { .axis($0) })]
    return context.kernel(kernel, [buffer])
  }

  /// A map over x and what was reduced from it.
  func combine(
    _ type: TensorType, _ x: BufferID, _ reduced: BufferID, _ element: ElementType, _ axis: Int,
    _ context: inout LoweringContext, _ build: (inout Program, Register, Register) -> Register
  ) -> BufferID {
    var kernel = Kernel(.map, element)
    let axes = kernel.axes(of: type.shape)
    let others = axes.indices.filter { $0 != axis }.map { AffineMap.axis(axes[$0]) }
    kernel.operands = [
      Operand(type, axes.map { .axis($0) }), Operand(context.type(of: reduced), others),
    ]
    kernel.post = Program { program in
      let value = program.append(.operand(0))
      return build(&program, value, program.append(.operand(1)))
    }
    return context.kernel(kernel, [x, reduced])
  }
}
