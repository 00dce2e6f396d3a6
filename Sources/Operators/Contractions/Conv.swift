import GraphIR
import KernelIR
import Support
import Tensors

/// Convolution of x [N, C, spatial…] by w [M, C / group, taps…] and bias [M], in any number of dimensions.
/// Each element is one chain of FMAs from +0 over the taps in row-major order and the channels of the group
/// within a tap; taps outside are skipped. Then + bias and the activation, and one rounding.
public struct Conv: Operator {
  public var kernelShape: [Int]?
  public var strides: [Int] = []
  public var dilations: [Int] = []
  public var pads: [Int] = []
  public var autoPad = AutoPad.explicit
  public var group = 1
  /// Of our own: applied to the sum before it is rounded.
  public var activation = Activation.none

  public static let schema = Schema("Conv", since: [1, 11, 22], operands: 2...3, optional: [2])
  public static let fields: [AttributeField<Conv>] = [
    AttributeField("kernel_shape", \.kernelShape), AttributeField("strides", \.strides),
    AttributeField("dilations", \.dilations), AttributeField("pads", \.pads),
    AttributeField("auto_pad", \.autoPad), AttributeField("group", \.group),
    AttributeField("activation", \.activation),
  ]

  public init() {}

  private func window(_ taps: [Int]) throws(Diagnostic) -> Window {
    guard kernelShape == nil || kernelShape == taps else {
      throw Diagnostic(.invalidAttribute, "kernel_shape = \(kernelShape ?? []), the weights have \(taps)")
    }
    return try Window(kernel: taps, strides: strides, dilations: dilations, pads: pads, autoPad: autoPad)
  }

  public func infer(_ context: InferenceContext) throws(Diagnostic) -> [ValueType] {
    let x = try context.type(0, of: ElementType.narrowFloats)
    let w = try context.type(1, of: ElementType.narrowFloats)
    guard x.element == w.element, x.rank >= 3, w.rank == x.rank, let weights = w.extents else {
      throw Diagnostic(.invalidOperand, "x is \(x), w is \(w)")
    }
    let channels = weights[1].multipliedReportingOverflow(by: group)
    guard group > 0, !channels.overflow, weights[0] % group == 0,
      x.shape[1].extent == nil || x.shape[1].extent == channels.partialValue
    else { throw Diagnostic(.invalidOperand, "x is \(x), w is \(w), group is \(group)") }
    if context.has(2) {
      let bias = try context.type(2)
      guard bias.agrees(with: ValueType(x.element, [w.shape[0]])) else {
        throw Diagnostic(.invalidOperand, "the bias is \(bias), w is \(w)")
      }
    }
    let positions = try window(Array(weights[2...])).positions(Array(x.shape[2...]))
    return [ValueType(x.element, [x.shape[0], w.shape[0]] + positions)]
  }

  public func evaluate(_ operands: [Tensor?]) throws(Diagnostic) -> [Tensor] {
    let (x, w) = (try operands.tensor(0), try operands.tensor(1))
    let input = Array(x.shape[2...])
    let window = try window(Array(w.shape[2...]))
    let positions = try window.positions(input)
    let (all, weights) = (x.floatElements(), w.floatElements())
    let bias = operands.optional(2)?.floatElements()
    let (plane, taps) = (input.reduce(1, *), window.kernel.reduce(1, *))
    let (perGroup, outPerGroup) = (w.shape[1], w.shape[0] / group)
    let strides = TensorType(.i8, input).strides
    let contraction = Contraction(kernel: Kernel(.contract, x.element), activation: activation)
    // Per position, the taps inside: index of the tap and of the element within a plane.
    var reached: [[(tap: Int, source: Int)]] = []
    let begins = input.indices.map { window.padding($0, input[$0]).begin }
    forEachCoordinate(of: positions) { position in
      var inside: [(tap: Int, source: Int)] = []
      var index = 0
      forEachCoordinate(of: window.kernel) { tap in
        let source = input.indices.map {
          window.source($0, position: position[$0], tap: tap[$0], begin: begins[$0])
        }
        if zip(source, input).allSatisfy({ $0 >= 0 && $0 < $1 }) {
          inside.append((index, dot(source, strides)))
        }
        index += 1
      }
      reached.append(inside)
    }
    var values: [Float] = []
    values.reserveCapacity(x.shape[0] * w.shape[0] * reached.count)
    for image in 0..<x.shape[0] {
      for channel in 0..<w.shape[0] {
        let start = (image * x.shape[1] + channel / outPerGroup * perGroup) * plane
        let row = channel * perGroup * taps
        for inside in reached {
          var sum: Float = 0
          for (tap, source) in inside {
            for depth in 0..<perGroup {
              sum.addProduct(all[start + depth * plane + source], weights[row + depth * taps + tap])
            }
          }
          values.append(contraction.finish(sum, bias?[channel]))
        }
      }
    }
    return [try .floats(x.element, [x.shape[0], w.shape[0]] + positions, values)]
  }

  public func lower(_ context: inout LoweringContext) throws(Diagnostic) -> [BufferID]? {
    let (kernel, output) = try kernel(try context.operand(0).type, try context.operand(1).type)
    var contraction = Contraction(kernel: kernel, activation: activation)
    if context.has(2) { contraction.bias = (2, [output]) }
    let buffer = try context.contract(contraction)
    let shape = context.results[0].type.shape
    return [context.type(of: buffer).shape == shape ? buffer : context.view(buffer, shape)]
  }

  /// The sum as one contraction, and the map of its output channels.
  func kernel(_ x: TensorType, _ w: TensorType) throws(Diagnostic) -> (Kernel, AffineMap) {
    let spatial = x.shape.count - 2
    let input = Array(x.shape[2...])
    let window = try window(Array(w.shape[2...]))
    let positions = try window.positions(input)
    let (perGroup, outPerGroup) = (w.shape[1], w.shape[0] / group)
    let isDepthwise = group > 1 && perGroup == 1 && outPerGroup == 1

    var kernel = Kernel(.contract, x.element)
    let n = kernel.axis("n", x.shape[0])
    var (source, output): (AffineMap, AffineMap) = (0, 0)
    if isDepthwise {
      let c = kernel.axis("c", group)
      (source, output) = (.axis(c), .axis(c))
    } else {
      if group > 1 {
        let g = kernel.axis("g", group)
        (source, output) = (.axis(g, times: perGroup), .axis(g, times: outPerGroup))
      }
      output = output + .axis(kernel.axis("co", outPerGroup))
    }
    let places = zip(Window.names("o", spatial), positions).map { kernel.axis($0, $1) }
    // A tap of extent 1 needs no axis, as long as there is another to reduce over.
    let taps = zip(Window.names("k", spatial), window.kernel).map { name, extent in
      let isNeeded = extent > 1 || (isDepthwise && window.kernel.allSatisfy { $0 == 1 } && name == "kw")
      return isNeeded ? kernel.axis(name, extent, .window) : .none
    }
    var depth: AffineMap = 0
    if !isDepthwise {
      depth = .axis(kernel.axis("ci", perGroup, .reduce))
      source = source + depth
    }
    let (maps, leaves) = try window.maps(positions: places, taps: taps, input: input)
    let tapMaps = taps.map { $0.isNone ? 0 : AffineMap.axis($0) }
    kernel.operands = [
      Operand(x, [.axis(n), source] + maps, outside: leaves ? .skip : .never),
      Operand(w, [output, depth] + tapMaps),
    ]
    return (kernel, output)
  }
}
