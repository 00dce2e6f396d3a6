import Support

extension AffineMap {
  /// The smallest interval of the coordinates that the map gives as each axis runs over its range; nil if
  /// the range of one of its axes is empty. Other axes do not count: what depends on parallel axes alone is
  /// read even where there is nothing to reduce.
  /// - Precondition: `ranges` has one range per axis of a verified kernel, within the axis.
  public func interval(over ranges: [Range<Int>]) -> ClosedRange<Int>? {
    if terms.contains(where: { ranges[$0.axis.index].isEmpty }) { return nil }
    var low = offset
    var high = offset
    for term in terms {
      let range = ranges[term.axis.index]
      let ends = (term.coefficient * range.lowerBound, term.coefficient * (range.upperBound - 1))
      low += min(ends.0, ends.1)
      high += max(ends.0, ends.1)
    }
    return low...high
  }

  /// The coordinate at a point of the axes, one index per axis.
  @inlinable public func value(at point: [Int]) -> Int {
    terms.reduce(offset) { $0 + $1.coefficient * point[$1.axis.index] }
  }

  /// The map after each axis is replaced by a map over other axes.
  public func substituting(_ replacement: (AxisID) -> AffineMap) -> AffineMap {
    terms.reduce(AffineMap(offset)) { $0 + replacement($1.axis).scaled(by: $1.coefficient) }
  }

  public func scaled(by factor: Int) -> AffineMap {
    var scaled = AffineMap(offset * factor)
    for term in terms { scaled.add(Term(axis: term.axis, coefficient: term.coefficient * factor)) }
    return scaled
  }

  /// The axis if the map is that axis alone.
  public var soleAxis: AxisID? {
    guard offset == 0, terms.count == 1, terms[0].coefficient == 1 else { return nil }
    return terms[0].axis
  }

  /// Whether the map is the same coordinate at every point.
  public var isConstant: Bool { terms.isEmpty }

  /// |offset| + Σ |coefficient| · (extent - 1), or nil beyond 2^62: while it exists, no arithmetic on
  /// coordinates overflows.
  func magnitude(extents: [Int]) -> Int? {
    var sum = Int.Magnitude(offset.magnitude)
    for term in terms {
      let steps = Int.Magnitude(max(extents[term.axis.index], 1))
      let (product, overflow) = term.coefficient.magnitude.multipliedReportingOverflow(by: steps)
      let (next, carry) = sum.addingReportingOverflow(product)
      guard !overflow, !carry, next <= 1 << 62 else { return nil }
      sum = next
    }
    return Int(exactly: sum).flatMap { $0 <= 1 << 62 ? $0 : nil }
  }
}
