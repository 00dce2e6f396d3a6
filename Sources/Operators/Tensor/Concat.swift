import GraphIR
import KernelIR
import Support
import Tensors

/// The operands side by side along an axis.
public struct Concat: Operator {
  public var axis: Int?

  public static let schema = Schema("Concat", since: [1, 4, 11, 13], operands: 1...(.max))
  public static let fields: [AttributeField<Concat>] = [AttributeField("axis", \.axis)]

  public init() {}

  public func infer(_ context: InferenceContext) throws(Diagnostic) -> [ValueType] {
    let first = try context.type(0)
    let axis = try position(rank: first.rank)
    var shape = first.shape
    var total: Int? = 0
    for index in context.operands.indices {
      let type = try context.type(index)
      guard type.element == first.element, type.rank == first.rank else {
        throw Diagnostic(.invalidOperand, "operand \(index) is \(type), operand 0 is \(first)")
      }
      for dimension in shape.indices where dimension != axis {
        let (known, extent) = (shape[dimension].extent, type.shape[dimension].extent)
        guard known == nil || extent == nil || known == extent else {
          throw Diagnostic(.invalidOperand, "operand \(index) is \(type), operand 0 is \(first)")
        }
        if known == nil, extent != nil { shape[dimension] = type.shape[dimension] }
      }
      let extent = type.shape[axis].extent
      if let sum = total, let extent {
        total = try (ByteCount(sum) + ByteCount(extent)).bytes
      } else {
        total = nil
      }
    }
    shape[axis] = total.map(Dimension.fixed) ?? .unknown
    return [ValueType(first.element, shape)]
  }

  public func evaluate(_ operands: [Tensor?]) throws(Diagnostic) -> [Tensor] {
    var parts: [Tensor] = []
    for index in operands.indices { parts.append(try operands.tensor(index)) }
    let axis = try position(rank: parts[0].shape.count)
    var shape = parts[0].shape
    shape[axis] = parts.reduce(0) { $0 + $1.shape[axis] }
    let outer = shape[..<axis].reduce(1, *)
    let inner = shape[(axis + 1)...].reduce(parts[0].element.size, *)
    let result = try Tensor(TensorType(parts[0].element, shape)) { (memory: UnsafeMutableRawBufferPointer) in
      var position = 0
      for row in 0..<outer {
        for part in parts {
          let count = part.shape[axis] * inner
          part.withBytes { bytes in
            for offset in 0..<count { memory[position + offset] = bytes[row * count + offset] }
          }
          position += count
        }
      }
    }
    return [result]
  }

  public func lower(_ context: inout LoweringContext) throws(Diagnostic) -> [BufferID]? {
    let type = context.results[0].type
    guard type.element.fitsRegister else { return nil }
    let axis = try position(rank: type.shape.count)
    var kernel = Kernel(.move, type.element)
    let axes = kernel.axes(of: type.shape)
    var buffers: [BufferID] = []
    var start = 0
    for index in context.operands.indices {
      let operand = try context.operand(index)
      let end = start + operand.type.shape[axis]
      guard end > start else { continue }
      var box = type.shape.map { 0..<$0 }
      box[axis] = start..<end
      var maps = axes.map { AffineMap.axis($0) }
      maps[axis].offset = -start
      kernel.operands.append(Operand(operand.type, maps, box: box))
      buffers.append(operand.buffer)
      start = end
    }
    if buffers.count == 1 { return [context.view(buffers[0], type.shape)] }
    if buffers.isEmpty { return [context.view(try context.operand(0).buffer, type.shape)] }
    return [context.kernel(kernel, buffers)]
  }

  private func position(rank: Int) throws(Diagnostic) -> Int {
    guard let axis else { throw Diagnostic(.invalidAttribute, "'axis' is missing") }
    return try normalized(axis, rank: rank)
  }
}
