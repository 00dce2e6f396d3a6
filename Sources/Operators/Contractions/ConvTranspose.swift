import GraphIR
import KernelIR
import Support
import Tensors

/// Transposed convolution of x [N, C, spatial…] by w [C, M / group, taps…] and bias [M]: element o gathers
/// x[i] · w[k] where o = i · stride + k · dilation - begin. Each is one chain of FMAs from +0 over the taps in
/// row-major order and the channels of the group within a tap; then + bias, and one rounding.
public struct ConvTranspose: Operator {
  public var kernelShape: [Int]?
  public var strides: [Int] = []
  public var dilations: [Int] = []
  public var pads: [Int] = []
  public var outputPadding: [Int] = []
  public var outputShape: [Int] = []
  public var autoPad = AutoPad.explicit
  public var group = 1

  public static let schema = Schema("ConvTranspose", since: [1, 11, 22], operands: 2...3, optional: [2])
  public static let fields: [AttributeField<ConvTranspose>] = [
    AttributeField("kernel_shape", \.kernelShape), AttributeField("strides", \.strides),
    AttributeField("dilations", \.dilations), AttributeField("pads", \.pads),
    AttributeField("output_padding", \.outputPadding), AttributeField("output_shape", \.outputShape),
    AttributeField("auto_pad", \.autoPad), AttributeField("group", \.group),
  ]

  public init() {}

  /// One spatial dimension of the result.
  struct Extent {
    let input: Int
    let taps: Int
    let stride: Int
    let dilation: Int
    let begin: Int
    let output: Int

    /// The taps that reach the positions r, r + stride, …: first tap, step, count, and the input coordinate
    /// of position r under the first tap and how far it falls with every step.
    func phase(_ r: Int) -> (tap: Int, step: Int, count: Int, source: Int, fall: Int) {
      let reached = (0..<taps).filter { (r + begin - $0 * dilation) % stride == 0 }
      guard let first = reached.first else { return (0, 1, 0, 0, 0) }
      let step = reached.count > 1 ? reached[1] - first : 1
      return (first, step, reached.count, (r + begin - first * dilation) / stride, step * dilation / stride)
    }
  }

  private func dimensions(_ input: [Int], _ taps: [Int]) throws(Diagnostic) -> [Extent] {
    guard kernelShape == nil || kernelShape == taps else {
      throw Diagnostic(.invalidAttribute, "kernel_shape = \(kernelShape ?? []), the weights have \(taps)")
    }
    let window = try Window(
      kernel: taps, strides: strides, dilations: dilations, pads: pads, autoPad: autoPad)
    let rank = taps.count
    guard outputPadding.isEmpty || outputPadding.count == rank,
      outputShape.isEmpty || outputShape.count == rank,
      (outputPadding + outputShape).allSatisfy({ (0...Window.limit).contains($0) }),
      input.allSatisfy({ (1...Window.limit).contains($0) })
    else {
      throw Diagnostic(
        .invalidAttribute, "output_padding \(outputPadding), output_shape \(outputShape) over \(input)")
    }
    var all: [Extent] = []
    for axis in 0..<rank {
      let (full, overflow) = (input[axis] - 1).multipliedReportingOverflow(by: window.strides[axis])
      guard !overflow, full < 1 << 60 else { throw Diagnostic(.sizeOverflow, "a stride over \(input[axis])") }
      let reach = full + window.span(axis) + (outputPadding.isEmpty ? 0 : outputPadding[axis])
      var (begin, end) = (window.pads[axis], window.pads[rank + axis])
      if autoPad == .valid { (begin, end) = (0, 0) }
      let isSame = autoPad == .sameUpper || autoPad == .sameLower
      if isSame || !outputShape.isEmpty {
        let wanted = outputShape.isEmpty ? input[axis] * window.strides[axis] : outputShape[axis]
        let total = max(reach - wanted, 0)
        begin = autoPad == .sameUpper ? total / 2 : total - total / 2
        end = reach - wanted - begin
      }
      guard reach - begin - end >= 0 else {
        throw Diagnostic(.invalidOperand, "a result of \(reach - begin - end) along dimension \(axis + 2)")
      }
      all.append(
        Extent(
          input: input[axis], taps: taps[axis], stride: window.strides[axis],
          dilation: window.dilations[axis], begin: begin, output: reach - begin - end))
    }
    return all
  }

  public func infer(_ context: InferenceContext) throws(Diagnostic) -> [ValueType] {
    let x = try context.type(0, of: ElementType.narrowFloats)
    let w = try context.type(1, of: ElementType.narrowFloats)
    guard x.element == w.element, x.rank >= 3, w.rank == x.rank, let weights = w.extents, group > 0,
      weights[0] % group == 0, x.shape[1].extent == nil || x.shape[1].extent == weights[0]
    else { throw Diagnostic(.invalidOperand, "x is \(x), w is \(w), group is \(group)") }
    let channels = try (ByteCount(weights[1]) * group).bytes
    if context.has(2) {
      let bias = try context.type(2)
      guard bias.agrees(with: ValueType(x.element, [.fixed(channels)])) else {
        throw Diagnostic(.invalidOperand, "the bias is \(bias), w is \(w)")
      }
    }
    let spatial: [Dimension]
    if let extents = ValueType(x.element, Array(x.shape[2...])).extents {
      spatial = try dimensions(extents, Array(weights[2...])).map { .fixed($0.output) }
    } else {
      spatial = x.shape[2...].map { _ in .unknown }
    }
    return [ValueType(x.element, [x.shape[0], .fixed(channels)] + spatial)]
  }

  public func evaluate(_ operands: [Tensor?]) throws(Diagnostic) -> [Tensor] {
    let (x, w) = (try operands.tensor(0), try operands.tensor(1))
    let dimensions = try dimensions(Array(x.shape[2...]), Array(w.shape[2...]))
    let bias = operands.optional(2)?.floatElements()
    let (all, weights) = (x.floatElements(), w.floatElements())
    let (perGroup, outPerGroup) = (x.shape[1] / group, w.shape[1])
    let (xStrides, wStrides) = (x.type.strides, w.type.strides)
    let shape = [x.shape[0], outPerGroup * group] + dimensions.map(\.output)
    var values: [Float] = []
    forEachCoordinate(of: shape) { place in
      let (g, m) = (place[1] / outPerGroup, place[1] % outPerGroup)
      var sum: Float = 0
      forEachCoordinate(of: dimensions.map(\.taps)) { tap in
        var (source, weight) = (place[0] * xStrides[0], m * wStrides[1])
        for (axis, dimension) in dimensions.enumerated() {
          let distance = place[axis + 2] + dimension.begin - tap[axis] * dimension.dilation
          let index = distance / dimension.stride
          guard distance >= 0, distance % dimension.stride == 0, index < dimension.input else { return }
          source += index * xStrides[axis + 2]
          weight += tap[axis] * wStrides[axis + 2]
        }
        for depth in (g * perGroup)..<((g + 1) * perGroup) {
          sum.addProduct(all[source + depth * xStrides[1]], weights[weight + depth * wStrides[0]])
        }
      }
      let result = Arithmetic.canonical(sum)
      values.append(bias.map { Arithmetic.add(result, $0[place[1]]) } ?? result)
    }
    return [try .floats(x.element, shape, values)]
  }

  /// One contraction per combination of phases, whose results a move interleaves.
  public func lower(_ context: inout LoweringContext) throws(Diagnostic) -> [BufferID]? {
    let (x, w) = (try context.operand(0).type, try context.operand(1).type)
    let dimensions = try dimensions(Array(x.shape[2...]), Array(w.shape[2...]))
    let result = context.results[0].type.shape
    let phases = dimensions.map(\.stride)
    guard try product(phases) <= 64, result.allSatisfy({ $0 > 0 }) else { return nil }
    let counts = dimensions.map { ($0.output + $0.stride - 1) / $0.stride }
    var all: [[Int]] = []
    forEachCoordinate(of: phases) { all.append($0) }
    var parts: [(phase: [Int], buffer: BufferID)] = []
    for phase in all {
      parts.append((phase, try contraction(phase, x, w, dimensions, counts, &context)))
    }
    if parts.count == 1 {
      return [
        context.type(of: parts[0].buffer).shape == result
          ? parts[0].buffer : context.view(parts[0].buffer, result)
      ]
    }
    return [interleave(parts, result, counts, phases, &context)]
  }

  private func contraction(
    _ phase: [Int], _ x: TensorType, _ w: TensorType, _ dimensions: [Extent], _ counts: [Int],
    _ context: inout LoweringContext
  ) throws(Diagnostic) -> BufferID {
    let (perGroup, outPerGroup) = (x.shape[1] / group, w.shape[1])
    var kernel = Kernel(.contract, x.element)
    let n = kernel.axis("n", x.shape[0])
    var (source, output): (AffineMap, AffineMap) = (0, 0)
    if group > 1 {
      let g = kernel.axis("g", group)
      (source, output) = (.axis(g, times: perGroup), .axis(g, times: outPerGroup))
    }
    let co = AffineMap.axis(kernel.axis("co", outPerGroup))
    output = output + co
    let places = zip(Window.names("o", counts.count), counts).map { kernel.axis($0, $1) }
    var (maps, taps): ([AffineMap], [AffineMap]) = ([], [])
    var leaves = false
    for (axis, dimension) in dimensions.enumerated() {
      let reach = dimension.phase(phase[axis])
      let name = Window.names("k", counts.count)[axis]
      let tap = AffineMap.axis(kernel.axis(name, reach.count, .window), times: reach.step)
      taps.append(tap + AffineMap(reach.tap))
      let step = AffineMap.axis(AxisID(rawValue: UInt32(kernel.axes.count - 1)), times: -reach.fall)
      maps.append(.axis(places[axis]) + step + AffineMap(reach.source))
      let last = reach.source + counts[axis] - 1
      leaves = leaves || last >= dimension.input || reach.source - (reach.count - 1) * reach.fall < 0
    }
    let ci = AffineMap.axis(kernel.axis("ci", perGroup, .reduce))
    source = source + ci
    kernel.operands = [
      Operand(x, [.axis(n), source] + maps, outside: leaves ? .skip : .never),
      Operand(w, [source, co] + taps),
    ]
    var contraction = Contraction(kernel: kernel)
    if context.has(2) { contraction.bias = (2, [output]) }
    let buffer = try context.contract(contraction)
    let shape = [x.shape[0], outPerGroup * group] + counts
    return context.type(of: buffer).shape == shape ? buffer : context.view(buffer, shape)
  }

  private func interleave(
    _ parts: [(phase: [Int], buffer: BufferID)], _ result: [Int], _ counts: [Int], _ phases: [Int],
    _ context: inout LoweringContext
  ) -> BufferID {
    let element = context.type(of: parts[0].buffer).element
    var kernel = Kernel(.move, element)
    let lead = [kernel.axis("n", result[0]), kernel.axis("c", result[1])]
    var (places, boxes): ([AxisID], [Range<Int>]) = ([], [0..<result[0], 0..<result[1]])
    for (axis, name) in Window.names("o", counts.count).enumerated() {
      places.append(kernel.axis(name, counts[axis]))
      kernel.axis("r\(name)", phases[axis])
      boxes += [0..<counts[axis], 0..<phases[axis]]
    }
    for part in parts {
      var box = boxes
      for (axis, phase) in part.phase.enumerated() { box[3 + 2 * axis] = phase..<(phase + 1) }
      kernel.operands.append(
        Operand(context.type(of: part.buffer), (lead + places).map { .axis($0) }, box: box))
    }
    let wide = Array(result[..<2]) + zip(counts, phases).map { $0 * $1 }
    let joined = context.view(context.kernel(kernel, parts.map(\.buffer)), wide)
    guard wide != result else { return joined }
    var cut = Kernel(.move, element)
    let axes = cut.axes(of: result)
    cut.operands = [Operand(TensorType(element, wide), axes.map { .axis($0) }, box: result.map { 0..<$0 })]
    return context.kernel(cut, [joined])
  }
}
