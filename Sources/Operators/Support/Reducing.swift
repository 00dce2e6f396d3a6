import GraphIR
import KernelIR
import Support
import Tensors

/// A reduction over whole dimensions: those in operand 1 (or, of our own, in the attribute `axes`), or all.
protocol ReducingOperator: Operator {
  var axes: [Int]? { get }
  var keepdims: Bool { get }
  var noopWithEmptyAxes: Bool { get }
  static var elements: [ElementType] { get }
  static var reduction: Kernel.Reduction { get }

  func reduce(_ values: [Float]) -> Float
  func reduce(_ values: [Double]) -> Double
  func reduce(_ values: [Int], of element: ElementType) -> Int
  /// Whether it is the sum divided by the number of elements.
  var isMean: Bool { get }
  /// What follows the reduction of `count` elements.
  func finish(_ program: inout Program, _ value: Register, count: Int) -> Register
}

extension ReducingOperator {
  var isMean: Bool { false }

  func finish(_ program: inout Program, _ value: Register, count: Int) -> Register { value }

  public static var schema: Schema {
    Schema("\(Self.self)", since: [1, 11, 12, 13, 18, 20], operands: 1...2, optional: [1])
  }

  /// The dimensions that disappear, ascending.
  private func reduced(_ stated: [Int]?, rank: Int) throws(Diagnostic) -> [Int] {
    let stated = stated ?? axes ?? []
    if stated.isEmpty { return noopWithEmptyAxes ? [] : Array(0..<rank) }
    return try normalized(stated, rank: rank)
  }

  private func kept<Extent: ExpressibleByIntegerLiteral>(_ shape: [Extent], _ reduced: [Int]) -> [Extent] {
    shape.indices.compactMap { reduced.contains($0) ? (keepdims ? 1 : nil) : shape[$0] }
  }

  public func infer(_ context: InferenceContext) throws(Diagnostic) -> [ValueType] {
    let x = try context.type(0, of: Self.elements)
    let stated = try context.integers(1)
    if context.has(1), stated == nil {
      guard keepdims else {
        throw Diagnostic(.invalidOperand, "the rank of the result is not known before the graph runs")
      }
      return [ValueType(x.element, x.shape.map { _ in .unknown })]
    }
    return [ValueType(x.element, kept(x.shape, try reduced(stated, rank: x.rank)))]
  }

  public func evaluate(_ operands: [Tensor?]) throws(Diagnostic) -> [Tensor] {
    let x = try operands.tensor(0)
    let stated = try operands.optional(1).map { (axes) throws(Diagnostic) in try axes.int64Elements() }
    let reduced = try reduced(stated, rank: x.shape.count)
    let remaining = x.shape.indices.filter { !reduced.contains($0) }
    let strides = x.type.strides
    let starts = indices(of: remaining.map { x.shape[$0] }) { dot($0, remaining.map { strides[$0] }) }
    let offsets = indices(of: reduced.map { x.shape[$0] }) { dot($0, reduced.map { strides[$0] }) }
    let shape = kept(x.shape, reduced)
    if reduced.isEmpty { return [x] }
    switch x.element {
    case .f64:
      let all = x.elements(as: Double.self)
      return [try .doubles(shape, starts.map { start in reduce(offsets.map { all[start + $0] }) })]
    case let element where element.isFloat:
      let all = x.floatElements()
      return [try .floats(element, shape, starts.map { start in reduce(offsets.map { all[start + $0] }) })]
    default:
      let all = try x.int64Elements()
      let values = starts.map { start in reduce(offsets.map { all[start + $0] }, of: x.element) }
      return [try .integers(x.element, shape, values)]
    }
  }

  public func lower(_ context: inout LoweringContext) throws(Diagnostic) -> [BufferID]? {
    let x = try context.operand(0)
    let isOrder = Self.reduction == .maximum || Self.reduction == .minimum
    let element = x.type.element
    guard element.fitsRegister, element.isFloat || isOrder else { return nil }
    var stated: [Int]?
    if context.has(1) {
      guard let values = try context.integers(1) else { return nil }
      stated = values
    }
    let reduced = try reduced(stated, rank: x.type.shape.count)
    let result = context.results[0].type.shape
    if reduced.isEmpty { return [context.view(x.buffer, result)] }
    var kernel = Kernel(.reduce(Self.reduction), element)
    let axes = x.type.shape.enumerated().map { index, extent in
      kernel.axis("d\(index)", extent, reduced.contains(index) ? .reduce : .parallel)
    }
    kernel.operands = [Operand(x.type, axes.map { .axis($0) })]
    let count = try product(reduced.map { x.type.shape[$0] })
    kernel.post = Program { finish(&$0, $0.append(.input), count: count) }
    let mean = isMean ? try context.integerMean(kernel, count: count) : nil
    let buffer = mean ?? context.kernel(kernel, [x.buffer])
    return [context.type(of: buffer).shape == result ? buffer : context.view(buffer, result)]
  }
}
