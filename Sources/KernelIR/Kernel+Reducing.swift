import Support
import Tensors

/// An exact sum of 64-bit terms that must end within 32 bits. Only the end counts, so that no order of the
/// terms decides whether a sum overflows.
struct IntegerSum {
  private var sum: Int64 = 0
  private var hasOverflow = false

  mutating func add(_ term: Int64) {
    let (next, overflow) = sum.addingReportingOverflow(term)
    sum = next
    hasOverflow = hasOverflow || overflow
  }

  /// - Throws: `accumulatorOverflow`.
  func value() throws(Diagnostic) -> Int32 {
    guard !hasOverflow, let value = Int32(exactly: sum) else {
      throw Diagnostic(.accumulatorOverflow, "an integer sum of \(sum) leaves 32 bits")
    }
    return value
  }
}

extension Kernel.Reduction {
  /// The reduction of the elements in their order, nil where one is skipped. Of none: 0 for a sum, 1 for a
  /// product, the least (greatest) value for maximum (minimum), index 0. Products of integers wrap.
  /// - Precondition: all elements are of `kind`. - Throws: `accumulatorOverflow` for a sum of integers.
  func reduce(_ elements: [Scalar?], _ kind: Program.Kind) throws(Diagnostic) -> Scalar {
    switch self {
    case .argumentOfMaximum: .i32(argument(elements) { $0.isGreater(than: $1) })
    case .argumentOfMinimum: .i32(argument(elements) { $0.isLess(than: $1) })
    default: kind == .float ? .f32(reduce(floats: elements)) : .i32(try reduce(integers: elements))
    }
  }

  private func reduce(floats elements: [Scalar?]) -> Float {
    let values = elements.compactMap { element -> Float? in
      if case .f32(let value)? = element { value } else { nil }
    }
    switch self {
    case .product: return Arithmetic.product(values)
    case .maximum: return Arithmetic.maximum(of: values)
    case .minimum: return Arithmetic.minimum(of: values)
    default:
      // A skipped element keeps its place among the sixteen sums. No partial sum is -0, so adding +0 there
      // changes nothing.
      return Arithmetic.sum(
        elements.map { element -> Float in if case .f32(let value)? = element { value } else { 0 } })
    }
  }

  private func reduce(integers elements: [Scalar?]) throws(Diagnostic) -> Int32 {
    let values = elements.compactMap { element -> Int32? in
      if case .i32(let value)? = element { value } else { nil }
    }
    switch self {
    case .product: return values.reduce(1) { Arithmetic.multiply($0, $1) }
    case .maximum: return values.reduce(.min) { Arithmetic.maximum($0, $1) }
    case .minimum: return values.reduce(.max) { Arithmetic.minimum($0, $1) }
    default:
      var sum = IntegerSum()
      for value in values { sum.add(Int64(value)) }
      return try sum.value()
    }
  }

  /// The index of the first element that no other beats.
  private func argument(_ elements: [Scalar?], beats: (Scalar, Scalar) -> Bool) -> Int32 {
    var best: (index: Int, value: Scalar)?
    for (index, element) in elements.enumerated() {
      guard let element else { continue }
      if let current = best, !beats(element, current.value) { continue }
      best = (index, element)
    }
    return Int32(clamping: best?.index ?? 0)
  }
}

extension Scalar {
  /// By value, so that zeros are equal; NaN is greater than everything but NaN.
  fileprivate func isGreater(than other: Scalar) -> Bool {
    switch (self, other) {
    case (.i32(let a), .i32(let b)): a > b
    case (.f32(let a), .f32(let b)): a > b || (a.isNaN && !b.isNaN)
    default: false
    }
  }

  /// By value, so that zeros are equal; NaN is less than everything but NaN.
  fileprivate func isLess(than other: Scalar) -> Bool {
    switch (self, other) {
    case (.i32(let a), .i32(let b)): a < b
    case (.f32(let a), .f32(let b)): a < b || (a.isNaN && !b.isNaN)
    default: false
    }
  }
}
