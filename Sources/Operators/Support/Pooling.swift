import GraphIR
import KernelIR
import Support
import Tensors

/// A reduction over a sliding window of x [N, C, spatial…].
protocol PoolingOperator: Operator {
  static var elements: [ElementType] { get }
  static var reduction: Kernel.Reduction { get }
  func window(_ spatial: Int) throws(Diagnostic) -> Window
  /// From the taps inside the input, in row-major order, nil for those outside, to the result; `count` is
  /// the divisor.
  func reduce(_ taps: [Float?], count: Int) -> Float
  func reduce(_ taps: [Int?]) -> Int
  /// The number of taps that count at a position along one dimension, or nil where the result does not
  /// depend on it.
  func count(_ window: Window, axis: Int, position: Int, extent: Int) -> Int?
}

extension PoolingOperator {
  public func infer(_ context: InferenceContext) throws(Diagnostic) -> [ValueType] {
    let x = try context.type(0, of: Self.elements)
    guard x.rank >= 3 else {
      throw Diagnostic(.invalidOperand, "x is \(x), allowed are three dimensions and more")
    }
    let window = try window(x.rank - 2)
    return [ValueType(x.element, x.shape[..<2] + (try window.positions(Array(x.shape[2...]))))]
  }

  public func evaluate(_ operands: [Tensor?]) throws(Diagnostic) -> [Tensor] {
    let x = try operands.tensor(0)
    let window = try window(x.shape.count - 2)
    let input = Array(x.shape[2...])
    let positions = try window.positions(input)
    let begins = input.indices.map { window.padding($0, input[$0]).begin }
    let plane = input.reduce(1, *)
    let strides = TensorType(.i8, input).strides
    // Per position, the index of every tap within a plane, or nil.
    var taps: [[Int?]] = []
    var counts: [Int] = []
    forEachCoordinate(of: positions) { position in
      var all: [Int?] = []
      forEachCoordinate(of: window.kernel) { tap in
        let source = input.indices.map {
          window.source($0, position: position[$0], tap: tap[$0], begin: begins[$0])
        }
        let isInside = zip(source, input).allSatisfy { $0 >= 0 && $0 < $1 }
        all.append(isInside ? dot(source, strides) : nil)
      }
      taps.append(all)
      counts.append(
        input.indices.reduce(1) {
          $0 * (count(window, axis: $1, position: position[$1], extent: input[$1]) ?? 1)
        })
    }
    let shape = x.shape[..<2] + positions
    let planes = x.shape[0] * x.shape[1]
    if x.element.isFloat {
      let all = x.floatElements()
      let values = (0..<planes).flatMap { index in
        zip(taps, counts).map { taps, count in
          reduce(taps.map { $0.map { all[index * plane + $0] } }, count: count)
        }
      }
      return [try .floats(x.element, Array(shape), values)]
    }
    let all = try x.int64Elements()
    let values = (0..<planes).flatMap { index in
      taps.map { taps in reduce(taps.map { $0.map { all[index * plane + $0] } }) }
    }
    return [try .integers(x.element, Array(shape), values)]
  }

  public func lower(_ context: inout LoweringContext) throws(Diagnostic) -> [BufferID]? {
    let x = try context.operand(0)
    let spatial = x.type.shape.count - 2
    let window = try window(spatial)
    let input = Array(x.type.shape[2...])
    let positions = try window.positions(input)
    var kernel = Kernel(.reduce(Self.reduction), x.type.element)
    let n = kernel.axis("n", x.type.shape[0])
    let c = kernel.axis("c", x.type.shape[1])
    let places = zip(Window.names("o", spatial), positions).map { kernel.axis($0, $1) }
    let taps = zip(Window.names("k", spatial), window.kernel).map { kernel.axis($0, $1, .window) }
    let (maps, leaves) = try window.maps(positions: places, taps: taps, input: input)
    kernel.operands = [Operand(x.type, [.axis(n), .axis(c)] + maps, outside: leaves ? .skip : .never)]
    var buffers = [x.buffer]
    // Each factor of the divisor varies along its own dimension only.
    let counts = input.indices.map { axis in
      (0..<positions[axis]).map { count(window, axis: axis, position: $0, extent: input[axis]) }
    }
    if counts.allSatisfy({ Set($0).count <= 1 }) {
      let fixed = counts.compactMap { $0.first ?? nil }
      guard fixed.count == spatial else { return [context.kernel(kernel, buffers)] }
      let count = fixed.reduce(1, *)
      if let mean = try context.integerMean(kernel, count: count) { return [mean] }
      kernel.post = Program { $0.append(.divide, $0.append(.input), $0.append(constant: Float(count))) }
    } else {
      let divisors = indices(of: positions) { position in
        position.enumerated().reduce(1) { $0 * (counts[$1.offset][$1.element] ?? 1) }
      }
      let type = TensorType(.f32, positions)
      kernel.operands.append(Operand(type, places.map { .axis($0) }))
      buffers.append(context.constant(try Tensor(type, divisors.map { Float($0) })))
      kernel.post = Program { $0.append(.divide, $0.append(.input), $0.append(.operand(1))) }
    }
    return [context.kernel(kernel, buffers)]
  }
}
