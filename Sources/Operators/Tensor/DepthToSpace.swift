import GraphIR
import KernelIR
import Support
import Tensors

/// [N, C · b², H, W] to [N, C, H · b, W · b]; in mode DCR the block is the outer part of the channels, in CRD
/// the inner one.
public struct DepthToSpace: Operator {
  public enum Mode: String, AttributeChoice {
    case depthFirst = "DCR"
    case columnFirst = "CRD"
  }

  public var blocksize = 1
  public var mode = Mode.depthFirst

  public static let schema = Schema("DepthToSpace", since: [1, 11, 13], operands: 1...1)
  public static let fields: [AttributeField<DepthToSpace>] = [
    AttributeField("blocksize", \.blocksize), AttributeField("mode", \.mode),
  ]

  public init() {}

  public func infer(_ context: InferenceContext) throws(Diagnostic) -> [ValueType] {
    let x = try context.type(0)
    let square = blocksize.multipliedReportingOverflow(by: blocksize)
    guard x.rank == 4, blocksize > 0, blocksize < 1 << 20, let depth = x.shape[1].extent,
      depth % square.partialValue == 0
    else { throw Diagnostic(.invalidOperand, "x is \(x), blocksize is \(blocksize)") }
    var shape = [x.shape[0], .fixed(depth / square.partialValue)]
    for dimension in x.shape[2...] {
      guard let extent = dimension.extent else {
        shape.append(blocksize == 1 ? dimension : .unknown)
        continue
      }
      shape.append(.fixed(try (ByteCount(extent) * blocksize).bytes))
    }
    return [ValueType(x.element, shape)]
  }

  /// The element index in x of a coordinate [n, c, h, rh, w, rw], as strides.
  private func strides(_ x: [Int]) -> [Int] {
    let (plane, depth) = (x[2] * x[3], x[1] / (blocksize * blocksize))
    let outer = mode == .depthFirst
    return [
      x[1] * plane, outer ? plane : plane * blocksize * blocksize, x[3],
      outer ? plane * depth * blocksize : plane * blocksize, 1, outer ? plane * depth : plane,
    ]
  }

  public func evaluate(_ operands: [Tensor?]) throws(Diagnostic) -> [Tensor] {
    let x = try operands.tensor(0)
    let depth = x.shape[1] / (blocksize * blocksize)
    let strides = strides(x.shape)
    let blocks = [x.shape[0], depth, x.shape[2], blocksize, x.shape[3], blocksize]
    let picked = indices(of: blocks) { dot($0, strides) }
    return [try x.picking([x.shape[0], depth, x.shape[2] * blocksize, x.shape[3] * blocksize], picked)]
  }

  public func lower(_ context: inout LoweringContext) throws(Diagnostic) -> [BufferID]? {
    let x = try context.operand(0)
    guard x.type.element.fitsRegister else { return nil }
    let depth = x.type.shape[1] / (blocksize * blocksize)
    var kernel = Kernel(.move, x.type.element)
    let n = kernel.axis("n", x.type.shape[0])
    let c = kernel.axis("c", depth)
    let h = kernel.axis("h", x.type.shape[2])
    let rh = kernel.axis("rh", blocksize)
    let w = kernel.axis("w", x.type.shape[3])
    let rw = kernel.axis("rw", blocksize)
    let (b, isOuter) = (blocksize, mode == .depthFirst)
    let channel =
      isOuter
      ? .axis(rh, times: b * depth) + .axis(rw, times: depth) + .axis(c)
      : .axis(c, times: b * b) + .axis(rh, times: b) + AffineMap.axis(rw)
    kernel.operands = [
      Operand(x.type, [.axis(n), channel, .axis(h), .axis(w)], box: kernel.result.shape.map { 0..<$0 })
    ]
    let buffer = context.kernel(kernel, [x.buffer])
    return [context.view(buffer, context.results[0].type.shape)]
  }
}
