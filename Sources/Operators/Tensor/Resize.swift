import Glibc
import GraphIR
import KernelIR
import Support
import Tensors

/// Resampling of x along all dimensions, or those in `axes`. Operands are x, the region of interest, scales,
/// sizes; one of the latter two is given. Coordinates are computed in f64; linear interpolation blends in f32.
public struct Resize: Operator {
  public enum Mode: String, AttributeChoice {
    case nearest
    case linear
    case cubic
  }
  public enum Coordinates: String, AttributeChoice {
    case halfPixel = "half_pixel"
    case halfPixelSymmetric = "half_pixel_symmetric"
    case pytorchHalfPixel = "pytorch_half_pixel"
    case alignCorners = "align_corners"
    case asymmetric
    case region = "tf_crop_and_resize"
  }
  public enum Nearest: String, AttributeChoice {
    case roundPreferFloor = "round_prefer_floor"
    case roundPreferCeil = "round_prefer_ceil"
    case floor
    case ceil
  }
  public enum Aspect: String, AttributeChoice {
    case stretch
    case notLarger = "not_larger"
    case notSmaller = "not_smaller"
  }

  public var mode = Mode.nearest
  public var coordinates = Coordinates.halfPixel
  public var nearest = Nearest.roundPreferFloor
  public var aspect = Aspect.stretch
  public var axes: [Int]?
  public var antialias = false
  public var cubicCoefficient: Float = -0.75
  public var excludeOutside = false
  public var extrapolationValue: Float = 0

  public static let schema = Schema(
    "Resize", since: [10, 11, 13, 18, 19], operands: 1...4, optional: [1, 2, 3])
  public static let fields: [AttributeField<Resize>] = [
    AttributeField("mode", \.mode), AttributeField("coordinate_transformation_mode", \.coordinates),
    AttributeField("nearest_mode", \.nearest), AttributeField("keep_aspect_ratio_policy", \.aspect),
    AttributeField("axes", \.axes), AttributeField("antialias", \.antialias),
    AttributeField("cubic_coeff_a", \.cubicCoefficient), AttributeField("exclude_outside", \.excludeOutside),
    AttributeField("extrapolation_value", \.extrapolationValue),
  ]

  public init() {}

  /// Extents and scales of the result, by dimension.
  private func target(
    _ shape: [Int], scales: [Float]?, sizes: [Int]?
  ) throws(Diagnostic) -> [(extent: Int, scale: Double)] {
    let places =
      try axes.map { (axes) throws(Diagnostic) in
        var all: [Int] = []
        for axis in axes { all.append(try normalized(axis, rank: shape.count)) }
        return all
      } ?? Array(shape.indices)
    var target = shape.map { (extent: $0, scale: 1.0) }
    if let sizes, !sizes.isEmpty {
      guard sizes.count == places.count, sizes.allSatisfy({ (0...Window.limit).contains($0) }) else {
        throw Diagnostic(.invalidOperand, "sizes \(sizes) for axes \(places)")
      }
      var ratios = zip(places, sizes).map { shape[$0] == 0 ? 1 : Double($1) / Double(shape[$0]) }
      var extents = sizes
      if aspect != .stretch {
        let common = (aspect == .notLarger ? ratios.min() : ratios.max()) ?? 1
        ratios = ratios.map { _ in common }
        extents = places.map { Int((common * Double(shape[$0])).rounded(.toNearestOrAwayFromZero)) }
      }
      for (index, axis) in places.enumerated() { target[axis] = (extents[index], ratios[index]) }
    } else if let scales, !scales.isEmpty {
      guard scales.count == places.count, scales.allSatisfy({ $0 > 0 && $0 <= 0x1p20 }) else {
        throw Diagnostic(.invalidOperand, "scales \(scales) for axes \(places)")
      }
      for (index, axis) in places.enumerated() {
        guard shape[axis] <= Window.limit else {
          throw Diagnostic(.sizeOverflow, "an extent of \(shape[axis])")
        }
        let scale = Double(scales[index])
        target[axis] = (Int((Double(shape[axis]) * scale).rounded(.down)), scale)
      }
    } else {
      throw Diagnostic(.invalidOperand, "neither scales nor sizes are given")
    }
    return target
  }

  public func infer(_ context: InferenceContext) throws(Diagnostic) -> [ValueType] {
    let x = try context.type(0, of: ElementType.narrowFloats + [.i8, .u8, .i32])
    guard mode == .nearest || x.element.isFloat, mode != .cubic, !antialias, coordinates != .region else {
      throw Diagnostic(
        .invalidOperand,
        "mode \(mode.rawValue) of \(x), antialias \(antialias), coordinates \(coordinates.rawValue)",
        help: "nearest, or linear of floats, without antialias and regions")
    }
    if context.has(2) { _ = try context.type(2, of: ElementType.floats) }
    let scales = context.constant(2)?.floatElements()
    let sizes = try context.integers(3)
    guard let extents = x.extents, scales != nil || !context.has(2), sizes != nil || !context.has(3) else {
      return [ValueType(x.element, symbolic(x, scales: scales, sizes: sizes))]
    }
    return [ValueType(x.element, try target(extents, scales: scales, sizes: sizes).map { .fixed($0.extent) })]
  }

  /// Dimensions whose scale is 1 stay, and those with a size are known.
  private func symbolic(_ x: ValueType, scales: [Float]?, sizes: [Int]?) -> [Dimension] {
    guard axes == nil, aspect == .stretch else { return x.shape.map { _ in .unknown } }
    if let sizes, sizes.count == x.rank { return sizes.map(Dimension.fixed) }
    guard let scales, scales.count == x.rank else { return x.shape.map { _ in .unknown } }
    return zip(x.shape, scales).map { $1 == 1 ? $0 : .unknown }
  }

  /// Where a position of the result lies in x.
  private func source(_ position: Int, _ extent: Int, _ target: (extent: Int, scale: Double)) -> Double {
    let place = Double(position)
    switch coordinates {
    case .halfPixel: return (place + 0.5) / target.scale - 0.5
    case .pytorchHalfPixel: return target.extent > 1 ? (place + 0.5) / target.scale - 0.5 : 0
    case .alignCorners:
      return target.extent == 1 ? 0 : place * Double(extent - 1) / Double(target.extent - 1)
    case .asymmetric, .region: return place / target.scale
    case .halfPixelSymmetric:
      let adjustment = Double(target.extent) / (target.scale * Double(extent))
      let centre = Double(extent) / 2
      return centre * (1 - adjustment) + (place + 0.5) / target.scale - 0.5
    }
  }

  /// The two elements of x that a position blends, and the weight of the second.
  private func blend(
    _ position: Int, _ extent: Int, _ target: (extent: Int, scale: Double)
  ) -> (low: Int, high: Int, weight: Float) {
    let place = min(max(source(position, extent, target), 0), Double(extent - 1))
    let low = Int(place.rounded(.down))
    return (low, min(low + 1, extent - 1), Float(place - Double(low)))
  }

  private func nearest(_ source: Double, _ extent: Int) -> Int {
    let rounded: Double
    switch nearest {
    case .roundPreferFloor: rounded = (source - 0.5).rounded(.up)
    case .roundPreferCeil: rounded = (source + 0.5).rounded(.down)
    case .floor: rounded = source.rounded(.down)
    case .ceil: rounded = source.rounded(.up)
    }
    return min(max(Int(rounded), 0), extent - 1)
  }

  /// Per dimension, the element of x that every position takes.
  private func choices(_ shape: [Int], _ target: [(extent: Int, scale: Double)]) -> [[Int]] {
    shape.indices.map { axis in
      (0..<target[axis].extent).map { nearest(source($0, shape[axis], target[axis]), shape[axis]) }
    }
  }

  public func evaluate(_ operands: [Tensor?]) throws(Diagnostic) -> [Tensor] {
    let x = try operands.tensor(0)
    let sizes = try operands.optional(3).map { (t) throws(Diagnostic) in try t.int64Elements() }
    let target = try target(x.shape, scales: operands.optional(2)?.floatElements(), sizes: sizes)
    let shape = target.map(\.extent)
    guard !x.shape.contains(0) || shape.contains(0) else {
      throw Diagnostic(.invalidOperand, "\(x.type) has no element to resample")
    }
    if mode == .nearest {
      let choices = choices(x.shape, target)
      let strides = x.type.strides
      return [
        try x.picking(
          shape, indices(of: shape) { dot(zip(choices, $0).map { $0[$1] }, strides) })
      ]
    }
    // Linear interpolation is separable: one dimension after the other, in f32.
    var values = x.floatElements()
    var current = x.shape
    for axis in shape.indices where shape[axis] != current[axis] || target[axis].scale != 1 {
      let inner = current[(axis + 1)...].reduce(1, *)
      let outer = current[..<axis].reduce(1, *)
      let extent = current[axis]
      var blended: [Float] = []
      for row in 0..<outer {
        for position in 0..<shape[axis] {
          let (low, high, weight) = blend(position, extent, target[axis])
          for column in 0..<inner {
            let (a, b) = (
              values[(row * extent + low) * inner + column], values[(row * extent + high) * inner + column]
            )
            blended.append(
              Arithmetic.add(Arithmetic.multiply(a, 1 - weight), Arithmetic.multiply(b, weight)))
          }
        }
      }
      values = blended
      current[axis] = shape[axis]
    }
    return [try .floats(x.element, shape, values)]
  }

  public func lower(_ context: inout LoweringContext) throws(Diagnostic) -> [BufferID]? {
    let x = try context.operand(0)
    var (scales, sizes): ([Float]?, [Int]?)
    if context.has(2) {
      guard let constant = try context.operand(2).constant else { return nil }
      scales = constant.floatElements()
    }
    if context.has(3) {
      guard let constant = try context.integers(3) else { return nil }
      sizes = constant
    }
    let target = try target(x.type.shape, scales: scales, sizes: sizes)
    let shape = target.map(\.extent)
    guard mode == .nearest else { return try lowerLinear(x, target, &context) }
    let choices = choices(x.type.shape, target)
    var kernel = Kernel(.move, x.type.element)
    var maps: [AffineMap] = []
    var left: [(dimension: Int, rows: [Int])] = []
    for (dimension, rows) in choices.enumerated() {
      if let stride = rows.stride {
        let axis = kernel.axis("d\(dimension)", rows.count)
        maps.append(
          rows.count <= 1 ? AffineMap(rows.first ?? 0) : .axis(axis, times: stride) + AffineMap(rows[0]))
      } else if let factor = rows.repetition {
        maps.append(.axis(kernel.axis("d\(dimension)", rows.count / factor)) + AffineMap(rows[0]))
        kernel.axis("r\(dimension)", factor)
      } else {
        maps.append(.axis(kernel.axis("d\(dimension)", x.type.shape[dimension])))
        left.append((dimension, rows))
      }
    }
    kernel.operands = [Operand(x.type, maps, box: kernel.result.shape.map { 0..<$0 })]
    var buffer = context.kernel(kernel, [x.buffer])
    var current = shape
    for (dimension, _) in left { current[dimension] = x.type.shape[dimension] }
    if context.type(of: buffer).shape != current { buffer = context.view(buffer, current) }
    // Rows in no regular pattern are gathered, one dimension after the other.
    for (dimension, rows) in left { buffer = try context.gather(buffer, dimension, rows) }
    return [buffer]
  }

  /// One dimension after the other: the two rows of every position, and their blend.
  private func lowerLinear(
    _ x: LoweringContext.Argument, _ target: [(extent: Int, scale: Double)], _ context: inout LoweringContext
  ) throws(Diagnostic) -> [BufferID]? {
    let changed = target.indices.filter {
      target[$0].extent != x.type.shape[$0] || target[$0].scale != 1
    }
    guard !changed.isEmpty, !x.type.shape.contains(0), target.allSatisfy({ $0.extent > 0 }) else {
      return nil
    }
    var positions: [Int: [(low: Int, high: Int, weight: Float)]] = [:]
    for axis in changed {
      positions[axis] = (0..<target[axis].extent).map { blend($0, x.type.shape[axis], target[axis]) }
    }
    if let sum = try context.integerBlend(positions) { return [sum] }
    var buffer = x.buffer
    var shape = x.type.shape
    for axis in changed {
      let blends = positions[axis] ?? []
      let rows = [
        try context.gather(buffer, axis, blends.map(\.low)),
        try context.gather(buffer, axis, blends.map(\.high)),
      ]
      let weights = [blends.map { 1 - $0.weight }, blends.map(\.weight)]
      shape[axis] = target[axis].extent
      var kernel = Kernel(.map, axis == changed.last ? x.type.element : .f32)
      let axes = kernel.axes(of: shape)
      let vector = TensorType(.f32, [shape[axis]])
      kernel.operands =
        rows.map { Operand(context.type(of: $0), axes.map { .axis($0) }) }
        + weights.map { _ in Operand(vector, [.axis(axes[axis])]) }
      kernel.post = Program { program in
        let parts = [(0, 2), (1, 3)].map { row, weight in
          program.append(.multiply, program.append(.operand(row)), program.append(.operand(weight)))
        }
        return program.append(.add, parts[0], parts[1])
      }
      var buffers = rows
      for weight in weights { buffers.append(context.constant(try Tensor(vector, weight))) }
      buffer = context.kernel(kernel, buffers)
    }
    return [buffer]
  }
}

extension [Int] {
  /// The common difference of neighbours, or nil.
  fileprivate var stride: Int? {
    guard count > 1 else { return 0 }
    let step = self[1] - self[0]
    return step != 0 && indices.allSatisfy { self[$0] == self[0] + $0 * step } ? step : nil
  }

  /// How often every number repeats where they ascend by one, or nil.
  fileprivate var repetition: Int? {
    guard let factor = firstIndex(where: { $0 != self[0] }), count % factor == 0 else { return nil }
    return indices.allSatisfy { self[$0] == self[0] + $0 / factor } ? factor : nil
  }
}
