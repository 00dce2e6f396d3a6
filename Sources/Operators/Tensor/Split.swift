import GraphIR
import KernelIR
import Support
import Tensors

/// Parts of x along an axis: of the lengths in operand 1, or `num_outputs` of equal length but the last.
public struct Split: Operator {
  public var axis = 0
  public var numOutputs: Int?

  public static let schema = Schema(
    "Split", since: [1, 2, 11, 13, 18], operands: 1...2, results: 1...(.max), optional: [1])
  public static let fields: [AttributeField<Split>] = [
    AttributeField("axis", \.axis), AttributeField("num_outputs", \.numOutputs),
  ]

  public init() {}

  private func lengths(_ extent: Int, _ stated: [Int]?) throws(Diagnostic) -> [Int] {
    if let stated {
      guard stated.allSatisfy({ $0 >= 0 }), try sum(stated) == extent else {
        throw Diagnostic(.invalidOperand, "parts of \(stated) do not make up \(extent)")
      }
      return stated
    }
    guard let count = numOutputs, count > 0, count <= 1 << 20 else {
      throw Diagnostic(.invalidOperand, "neither lengths nor num_outputs are given")
    }
    let length = (extent + count - 1) / count
    return (0..<count).map { max(0, min(length, extent - $0 * length)) }
  }

  private func sum(_ lengths: [Int]) throws(Diagnostic) -> Int {
    var sum = ByteCount.zero
    for length in lengths { sum = try sum + ByteCount(length) }
    return sum.bytes
  }

  public func infer(_ context: InferenceContext) throws(Diagnostic) -> [ValueType] {
    let x = try context.type(0)
    let axis = try normalized(axis, rank: x.rank)
    let stated = try context.integers(1)
    if context.has(1), stated == nil {
      guard let count = try context.length(1), count <= 1 << 20 else {
        throw Diagnostic(.invalidOperand, "the number of results is not known before the graph runs")
      }
      return Array(repeating: x.replacing(axis, by: .unknown), count: count)
    }
    guard let extent = x.shape[axis].extent else {
      if let stated { return stated.map { x.replacing(axis, by: .fixed($0)) } }
      return Array(repeating: x.replacing(axis, by: .unknown), count: min(max(numOutputs ?? 1, 1), 1 << 20))
    }
    return try lengths(extent, stated).map { x.replacing(axis, by: .fixed($0)) }
  }

  public func evaluate(_ operands: [Tensor?]) throws(Diagnostic) -> [Tensor] {
    let x = try operands.tensor(0)
    let axis = try normalized(axis, rank: x.shape.count)
    let stated = try operands.optional(1).map { (t) throws(Diagnostic) in try t.int64Elements() }
    let strides = x.type.strides
    var parts: [Tensor] = []
    var start = 0
    for length in try lengths(x.shape[axis], stated) {
      var shape = x.shape
      shape[axis] = length
      let first = start * strides[axis]
      parts.append(try x.picking(shape, indices(of: shape) { first + dot($0, strides) }))
      start += length
    }
    return parts
  }

  public func lower(_ context: inout LoweringContext) throws(Diagnostic) -> [BufferID]? {
    let x = try context.operand(0)
    let axis = try normalized(axis, rank: x.type.shape.count)
    guard x.type.element.fitsRegister, !context.has(1) || context.operands[1]?.constant != nil else {
      return nil
    }
    var buffers: [BufferID] = []
    var start = 0
    for result in context.results {
      var kernel = Kernel(.move, x.type.element)
      let axes = kernel.axes(of: result.type.shape)
      var maps = axes.map { AffineMap.axis($0) }
      maps[axis].offset = start
      kernel.operands = [Operand(x.type, maps, box: result.type.shape.map { 0..<$0 })]
      buffers.append(context.kernel(kernel, [x.buffer]))
      start += result.type.shape[axis]
    }
    return buffers
  }
}

extension ValueType {
  func replacing(_ axis: Int, by dimension: Dimension) -> ValueType {
    var shape = shape
    shape[axis] = dimension
    return ValueType(element, shape)
  }
}
