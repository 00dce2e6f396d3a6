import Support
import Tensors

/// Runs any kernel, one element at a time and in the declared order of its axes: slow, obvious and
/// normative. Every faster way to run a kernel must give the same bytes.
public struct KernelEvaluator {
  private let kernel: Kernel
  private let arguments: [Tensor]
  /// Whether an operand's element is consumed as stored.
  private let isPlain: [Bool]
  private let parallel: [AxisID]
  private let reduction: [AxisID]

  /// - Parameter arguments: one tensor per operand, of its type.
  /// - Throws: `invalidKernel` for a kernel that does not verify or arguments of other types,
  ///   `indexOutOfRange`, `accumulatorOverflow`.
  public static func run(_ kernel: Kernel, _ arguments: [Tensor]) throws(Diagnostic) -> Tensor {
    try kernel.verified()
    guard arguments.map(\.type) == kernel.operands.map(\.type) else {
      throw Diagnostic(.invalidKernel, "arguments \(arguments.map(\.type)) are not the kernel's operands")
    }
    return try KernelEvaluator(kernel, arguments).run()
  }

  private init(_ kernel: Kernel, _ arguments: [Tensor]) {
    self.kernel = kernel
    self.arguments = arguments
    isPlain = kernel.operands.map(\.pre.isIdentity)
    parallel = kernel.axes(.parallel)
    reduction = kernel.reductionAxes
  }

  private func run() throws(Diagnostic) -> Tensor {
    let size = kernel.element.size
    let count = kernel.elements * size
    let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: count, alignment: 8)
    defer { bytes.deallocate() }
    var origin = [Int](repeating: 0, count: kernel.axes.count)
    var offset = 0
    try visit(parallel[...], from: &origin) { (point) throws(Diagnostic) in
      let element = UnsafeMutableRawBufferPointer(rebasing: bytes[offset..<(offset + size)])
      if kernel.isCopy {
        try copy(at: point, to: element)
      } else if let base = element.baseAddress {
        try value(at: point).store(to: base, kernel.element)
      }
      offset += size
    }
    return try Tensor(kernel.result) { $0.copyMemory(from: UnsafeRawBufferPointer(bytes)) }
  }

  /// Calls `body` at every point of `axes`, the last axis running fastest.
  private func visit(
    _ axes: ArraySlice<AxisID>, from point: inout [Int], _ body: ([Int]) throws(Diagnostic) -> Void
  ) throws(Diagnostic) {
    guard let axis = axes.first else { return try body(point) }
    for index in 0..<kernel.axes[axis].extent {
      point[axis.index] = index
      try visit(axes.dropFirst(), from: &point, body)
    }
    point[axis.index] = 0
  }

  // MARK: forms with programs

  private func value(at point: [Int]) throws(Diagnostic) -> Scalar {
    let input: Scalar?
    switch kernel.form {
    case .contract: input = try contraction(at: point)
    case .reduce(let reduction): input = try reduced(by: reduction, at: point)
    case .map, .move, .gather, .scatter: input = nil
    }
    if kernel.post.isIdentity, let input { return input }
    return try kernel.post.evaluate(input: input, tables: kernel.tables) { (index) throws(Diagnostic) in
      try load(index, at: point) ?? .i32(0)
    }
  }

  /// The element after its pre-program, or nil where it is skipped.
  private func load(_ index: Int, at point: [Int]) throws(Diagnostic) -> Scalar? {
    let operand = kernel.operands[index]
    let stored: Scalar
    if let offset = operand.offset(at: point) {
      stored = arguments[index][offset]
    } else if case .fill(let bits) = operand.outside {
      stored = operand.type.element.scalar(bits)
    } else {
      return nil
    }
    if isPlain[index] { return stored }
    return try operand.pre.evaluate(input: stored, tables: kernel.tables) { (_) throws(Diagnostic) in
      throw Diagnostic(.invalidKernel, "P2: a pre-program has no operands")
    }
  }

  private func contraction(at start: [Int]) throws(Diagnostic) -> Scalar {
    var point = start
    switch kernel.accumulation {
    case .integer:
      var sum = IntegerSum()
      try products(reduction[...], from: &point) { (a, b) throws(Diagnostic) in
        guard case .i32(let a) = a, case .i32(let b) = b else { return }
        sum.add(Int64(a) * Int64(b))
      }
      return .i32(try sum.value())
    case .fp8:
      let (left, right) = (kernel.operands[0].type.element, kernel.operands[1].type.element)
      guard let leftFormat = ExactSum.Format(left), let rightFormat = ExactSum.Format(right) else {
        throw Diagnostic(.invalidKernel, "K5: \(left.rawValue) and \(right.rawValue) are not FP8")
      }
      var sum = ExactSum(leftFormat, rightFormat)
      try products(reduction[...], from: &point) { (a, b) throws(Diagnostic) in
        guard case .f32(let a) = a, case .f32(let b) = b else { return }
        sum.add(
          product: UInt8(truncatingIfNeeded: left.encode(a)), UInt8(truncatingIfNeeded: right.encode(b)))
      }
      return .f32(sum.rounded)
    case .chain:
      guard let split = kernel.axes(.split).first else {
        return .f32(try chain(reduction[...], from: &point))
      }
      var chains: [Float] = []
      for index in 0..<kernel.axes[split].extent {
        point[split.index] = index
        chains.append(try chain(reduction.dropFirst(), from: &point))
      }
      return .f32(Arithmetic.splitSum(chains))
    }
  }

  private func chain(_ axes: ArraySlice<AxisID>, from point: inout [Int]) throws(Diagnostic) -> Float {
    var sum: Float = 0
    try products(axes, from: &point) { (a, b) throws(Diagnostic) in
      guard case .f32(let a) = a, case .f32(let b) = b else { return }
      sum = Arithmetic.fma(a, b, sum)
    }
    return sum
  }

  /// Calls `body` with both factors at every point of `axes` where neither is skipped.
  private func products(
    _ axes: ArraySlice<AxisID>, from point: inout [Int],
    _ body: (Scalar, Scalar) throws(Diagnostic) -> Void
  ) throws(Diagnostic) {
    try visit(axes, from: &point) { (point) throws(Diagnostic) in
      guard let a = try load(0, at: point), let b = try load(1, at: point) else { return }
      try body(a, b)
    }
  }

  private func reduced(by rule: Kernel.Reduction, at start: [Int]) throws(Diagnostic) -> Scalar {
    var elements: [Scalar?] = []
    var point = start
    try visit(reduction[...], from: &point) { (point) throws(Diagnostic) in
      elements.append(try load(0, at: point))
    }
    return try rule.reduce(elements, try kernel.valueKind(of: kernel.operands[0]))
  }

  // MARK: copies

  /// Bytes, so that every NaN survives.
  private func copy(at point: [Int], to result: UnsafeMutableRawBufferPointer) throws(Diagnostic) {
    switch kernel.form {
    case .gather(let dimension):
      var coordinates = kernel.operands[0].maps.map { $0.value(at: point) }
      let extent = kernel.operands[0].type.shape[dimension]
      coordinates[dimension] = try index(at: point, below: extent)
      copy(0, coordinates, to: result)
    case .scatter(let dimension):
      copy(0, at: point, to: result)
      let axis = parallel[dimension]
      var origin = point
      try visit(reduction[...], from: &origin) { (update) throws(Diagnostic) in
        guard try index(at: update, below: kernel.axes[axis].extent) == point[axis.index] else { return }
        copy(2, at: update, to: result)
      }
    default:
      // K7: exactly one box holds the point.
      let source = kernel.operands.firstIndex { operand in
        zip(operand.box, parallel).allSatisfy { $0.contains(point[$1.index]) }
      }
      if let source { copy(source, at: point, to: result) }
    }
  }

  /// The element of operand 1, which counts from the end if it is negative.
  private func index(at point: [Int], below extent: Int) throws(Diagnostic) -> Int {
    guard case .i32(let value)? = try load(1, at: point) else { return 0 }
    let row = value < 0 ? Int(value) + extent : Int(value)
    guard (0..<extent).contains(row) else {
      throw Diagnostic(.indexOutOfRange, "index \(value) is not within -\(extent)…\(extent - 1)")
    }
    return row
  }

  private func copy(_ index: Int, at point: [Int], to result: UnsafeMutableRawBufferPointer) {
    copy(index, kernel.operands[index].maps.map { $0.value(at: point) }, to: result)
  }

  private func copy(_ index: Int, _ coordinates: [Int], to result: UnsafeMutableRawBufferPointer) {
    let operand = kernel.operands[index]
    guard let offset = operand.offset(of: coordinates) else {
      guard case .fill(let bits) = operand.outside, let base = result.baseAddress else { return }
      return operand.type.element.scalar(bits).store(to: base, kernel.element)
    }
    let size = result.count
    arguments[index].withBytes { bytes in
      result.copyMemory(
        from: UnsafeRawBufferPointer(rebasing: bytes[(offset * size)..<((offset + 1) * size)]))
    }
  }
}

extension Operand {
  /// The row-major index of the element at `point`, or nil outside the bounds.
  fileprivate func offset(at point: [Int]) -> Int? {
    var offset = 0
    for (map, extent) in zip(maps, type.shape) {
      let coordinate = map.value(at: point)
      guard coordinate >= 0, coordinate < extent else { return nil }
      offset = offset * extent + coordinate
    }
    return offset
  }

  fileprivate func offset(of coordinates: [Int]) -> Int? {
    var offset = 0
    for (coordinate, extent) in zip(coordinates, type.shape) {
      guard coordinate >= 0, coordinate < extent else { return nil }
      offset = offset * extent + coordinate
    }
    return offset
  }
}

extension ElementType {
  /// i32 or f32 from the bits of a fill or of an immediate.
  func scalar(_ bits: UInt32) -> Scalar {
    isFloat ? .f32(Float(bitPattern: bits)) : .i32(Int32(bitPattern: bits))
  }
}
