import GraphIR
import KernelIR
import Support
import Tensors

/// The broadcast of shapes with symbols. A symbol against a fixed extent other than 1 is that extent; two
/// different symbols are unknown.
func broadcast(_ types: [ValueType]) throws(Diagnostic) -> [Dimension] {
  var result: [Dimension] = []
  for shape in types.map(\.shape) {
    var merged = Array(repeating: Dimension.fixed(1), count: max(result.count, shape.count))
    for index in merged.indices {
      let a = index < result.count ? result[result.count - 1 - index] : 1
      let b = index < shape.count ? shape[shape.count - 1 - index] : 1
      merged[merged.count - 1 - index] = try merge(a, b, types)
    }
    result = merged
  }
  return result
}

private func merge(_ a: Dimension, _ b: Dimension, _ types: [ValueType]) throws(Diagnostic) -> Dimension {
  switch (a, b) {
  case (.fixed(1), _): return b
  case (_, .fixed(1)): return a
  case (.fixed(let x), .fixed(let y)):
    guard x == y else { throw Diagnostic(.invalidOperand, "operands \(types) do not broadcast") }
    return a
  case (.fixed, .symbol): return a
  case (.symbol, .fixed): return b
  case (.symbol, .symbol): return a == b ? a : .unknown
  }
}

extension Kernel {
  /// One parallel axis per dimension, named `d0`, `d1`, ….
  mutating func axes(of shape: [Int]) -> [AxisID] {
    shape.enumerated().map { axis("d\($0)", $1) }
  }
}

/// The maps of an operand that broadcasts to the axes.
func broadcastMaps(_ shape: [Int], over axes: [AxisID]) -> [AffineMap] {
  zip(shape, axes.suffix(shape.count)).map { $0 == 1 ? 0 : .axis($1) }
}

extension LoweringContext {
  /// A map kernel over operands that broadcast to the result, as ONNX broadcasts.
  /// - Parameters:
  ///   - element: what the kernel stores, of the width of a register: rounded once, or clamped.
  ///   - build: appends the program and returns the register of its result; it gets a register per operand, f32
  ///     for floats and i32 for integers.
  /// - Returns: the buffer of the result, of the shape to which the operands broadcast.
  /// - Throws: `invalidOperand` where they do not.
  public mutating func map(
    _ operands: [Argument], _ element: ElementType, _ build: (inout Program, [Register]) -> Register
  ) throws(Diagnostic) -> BufferID {
    let shape = try broadcast(operands.map(\.type.shape))
    var kernel = Kernel(.map, element)
    let axes = kernel.axes(of: shape)
    kernel.operands = operands.map { Operand($0.type, broadcastMaps($0.type.shape, over: axes)) }
    kernel.post = Program { program in
      let registers = operands.indices.map { program.append(.operand($0)) }
      return build(&program, registers)
    }
    return self.kernel(kernel, operands.map(\.buffer))
  }
}
