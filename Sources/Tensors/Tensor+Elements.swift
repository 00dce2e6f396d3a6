import Support

extension Tensor {
  /// The element at a row-major index. - Precondition: `element.fitsRegister`, `0 <= index < count`.
  @inlinable public subscript(index: Int) -> Scalar {
    precondition(index >= 0 && (index + 1) * type.element.size <= byteCount, "element \(index) of \(count)")
    return withBytes { _ in
      Scalar.load(from: storage.base, at: offset + index * type.element.size, type.element)
    }
  }

  /// From elements in row-major order, each narrowed as by `Scalar.store`.
  /// - Precondition: `type.element.fitsRegister`; each scalar is a float exactly if the element type is.
  public init(
    _ type: TensorType, _ element: (Int) throws(Diagnostic) -> Scalar
  ) throws(Diagnostic) {
    let count = try type.elementCount()
    let storage = try Storage(count: count * type.element.size) { memory throws(Diagnostic) in
      guard let base = memory.baseAddress else { return }
      for index in 0..<count {
        try element(index).store(to: base, at: index * type.element.size, type.element)
      }
    }
    try self.init(type, storage)
  }

  /// One element, of rank 0 unless told otherwise.
  public init(_ element: ElementType, shape: [Int] = [], _ value: Scalar) throws(Diagnostic) {
    try self.init(TensorType(element, shape)) { _ in value }
  }

  /// All elements of an integer or bool tensor.
  /// - Throws: `sizeOverflow` for a u64 above 2^63 - 1; `invalidOperand` for a float tensor.
  public func int64Elements() throws(Diagnostic) -> [Int] {
    guard !element.isFloat else { throw Diagnostic(.invalidOperand, "\(type) does not hold integers") }
    let wide = integerElements()
    if element == .u64, let large = wide.first(where: { $0 < 0 }) {
      throw Diagnostic(.sizeOverflow, "\(UInt64(bitPattern: large)) exceeds 63 bits")
    }
    return wide.map { Int($0) }
  }

  /// All elements of a float tensor as f32; f64 rounds half even, narrower types widen exactly.
  /// - Precondition: `element.isFloat`.
  public func floatElements() -> [Float] {
    if element == .f64 { return elements(as: Double.self).map { Float($0) } }
    if element == .f32 { return elements(as: Float.self) }
    return withAddresses { element.loadFloat($0) }
  }

  /// All elements of a tensor of any type as f64; integers beyond 2^53 round half even.
  public func doubleElements() -> [Double] {
    switch element {
    case .f64: elements(as: Double.self)
    case .u64: elements(as: UInt64.self).map { Double($0) }
    case let element where element.isFloat: floatElements().map { Double($0) }
    default: integerElements().map { Double($0) }
    }
  }

  /// Integer elements of any width in two's complement; u64 keeps its bits.
  func integerElements() -> [Int64] {
    switch element {
    case .i64: elements(as: Int64.self)
    case .u64: elements(as: UInt64.self).map { Int64(bitPattern: $0) }
    case .u32: elements(as: UInt32.self).map { Int64($0) }
    default: withAddresses { Int64(element.loadInteger($0)) }
    }
  }

  private func withAddresses<Element>(_ load: (UnsafeRawPointer) -> Element) -> [Element] {
    withBytes { _ in
      let base = storage.base + offset
      return (0..<count).map { load(base + $0 * element.size) }
    }
  }
}

extension Tensor {
  /// Some indices of the first dimension, as a window of the same storage.
  /// - Throws: `sizeOverflow` unless the rank is at least 1 and the range within the first extent.
  public func rows(_ range: Range<Int>) throws(Diagnostic) -> Tensor {
    guard let extent = shape.first, range.lowerBound >= 0, range.upperBound <= extent else {
      throw Diagnostic(.sizeOverflow, "rows \(range) of \(type)")
    }
    let row = extent == 0 ? 0 : byteCount / extent
    return try Tensor(
      TensorType(element, [range.count] + shape.dropFirst()), storage, offset: offset + range.lowerBound * row
    )
  }
}
