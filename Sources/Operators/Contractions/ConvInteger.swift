import GraphIR
import KernelIR
import Support
import Tensors

/// Convolution of (x - zero point) by (w - zero point), of 8-bit integers, exactly in i32 that wraps; taps
/// outside add nothing. Operands are x, w and their zero points: a scalar for x, a scalar or one per output
/// channel for w.
public struct ConvInteger: Operator {
  public var kernelShape: [Int]?
  public var strides: [Int] = []
  public var dilations: [Int] = []
  public var pads: [Int] = []
  public var autoPad = AutoPad.explicit
  public var group = 1

  public static let schema = Schema("ConvInteger", since: [10], operands: 2...4, optional: [2, 3])
  public static let fields: [AttributeField<ConvInteger>] = [
    AttributeField("kernel_shape", \.kernelShape), AttributeField("strides", \.strides),
    AttributeField("dilations", \.dilations), AttributeField("pads", \.pads),
    AttributeField("auto_pad", \.autoPad), AttributeField("group", \.group),
  ]

  public init() {}

  private var conv: Conv {
    var conv = Conv()
    conv.kernelShape = kernelShape
    conv.strides = strides
    conv.dilations = dilations
    conv.pads = pads
    conv.autoPad = autoPad
    conv.group = group
    return conv
  }

  public func infer(_ context: InferenceContext) throws(Diagnostic) -> [ValueType] {
    let (x, w) = (try context.type(0, of: [.i8, .u8]), try context.type(1, of: [.i8, .u8]))
    let real = [x, w].map { OperandType(ValueType(.f32, $0.shape)) }
    return try conv.infer(InferenceContext(real)).map { ValueType(.i32, $0.shape) }
  }

  public func evaluate(_ operands: [Tensor?]) throws(Diagnostic) -> [Tensor] {
    let (x, w) = (try operands.tensor(0), try operands.tensor(1))
    let xZero = try operands.optional(2)?.int64Elements().first ?? 0
    let wZeros = try operands.optional(3)?.int64Elements() ?? [0]
    guard wZeros.count == 1 || wZeros.count == w.shape[0] else {
      throw Diagnostic(.invalidOperand, "\(wZeros.count) zero points for \(w.type)")
    }
    let row = w.shape[1...].reduce(1, *)
    let all = try x.int64Elements().map { $0 - xZero }
    let weights = try w.int64Elements().enumerated().map { index, value in
      value - wZeros[wZeros.count == 1 ? 0 : index / max(row, 1)]
    }
    let input = Array(x.shape[2...])
    let window = try Window(
      kernel: Array(w.shape[2...]), strides: strides, dilations: dilations, pads: pads, autoPad: autoPad)
    let positions = try window.positions(input)
    let begins = input.indices.map { window.padding($0, input[$0]).begin }
    let (xStrides, perGroup, outPerGroup) = (x.type.strides, w.shape[1], w.shape[0] / group)
    let wStrides = w.type.strides
    let shape = [x.shape[0], w.shape[0]] + positions
    let values = indices(of: shape) { place in
      var sum = 0
      let first = place[1] / outPerGroup * perGroup
      forEachCoordinate(of: window.kernel) { tap in
        var (source, weight) = (place[0] * xStrides[0], place[1] * wStrides[0])
        for axis in input.indices {
          let index = window.source(axis, position: place[axis + 2], tap: tap[axis], begin: begins[axis])
          guard index >= 0, index < input[axis] else { return }
          source += index * xStrides[axis + 2]
          weight += tap[axis] * wStrides[axis + 2]
        }
        for depth in 0..<perGroup {
          sum += all[source + (first + depth) * xStrides[1]] * weights[weight + depth * wStrides[1]]
        }
      }
      return sum
    }
    return [try .integers(.i32, shape, values)]
  }

  public func lower(_ context: inout LoweringContext) throws(Diagnostic) -> [BufferID]? {
    let (kernel, _) = try conv.kernel(try context.operand(0).type, try context.operand(1).type)
    guard let buffer = try context.contractIntegers(kernel) else { return nil }
    let shape = context.results[0].type.shape
    return [context.type(of: buffer).shape == shape ? buffer : context.view(buffer, shape)]
  }
}
