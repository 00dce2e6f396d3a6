import Support

public struct AxisID: EntityID {
  public static let sigil = "i"
  public let rawValue: UInt32
  @inlinable public init(rawValue: UInt32) { self.rawValue = rawValue }
}

/// One loop of a kernel.
public struct Axis: Hashable, Sendable {
  public enum Role: String, CaseIterable, Sendable {
    /// A dimension of the result.
    case parallel
    /// Summed or reduced over, in the declared order of such axes.
    case reduce
    /// Reduced over like `reduce`, and slides: some operand adds it to a parallel axis.
    case window
    /// The outermost part of a reduction whose indices are summed apart, then combined by a fixed tree.
    case split
  }

  public let name: String
  public let extent: Int
  public let role: Role

  public init(_ name: String, _ extent: Int, _ role: Role = .parallel) {
    self.name = name
    self.extent = extent
    self.role = role
  }
}

/// Σ coefficient · axis + offset: one coordinate of an operand, written `.axis(row) + .axis(tap) + -1`.
public struct AffineMap: Hashable, Sendable, ExpressibleByIntegerLiteral {
  public struct Term: Hashable, Sendable {
    public let axis: AxisID
    public let coefficient: Int

    public init(axis: AxisID, coefficient: Int) {
      self.axis = axis
      self.coefficient = coefficient
    }
  }

  /// In ascending order of their axes, each axis once, no coefficient 0.
  public private(set) var terms: [Term] = []
  public var offset: Int

  public init(integerLiteral offset: Int) { self.offset = offset }
  public init(_ offset: Int) { self.offset = offset }

  public static func axis(_ axis: AxisID, times coefficient: Int = 1) -> AffineMap {
    var map: AffineMap = 0
    map.add(Term(axis: axis, coefficient: coefficient))
    return map
  }

  public static func + (left: AffineMap, right: AffineMap) -> AffineMap {
    var sum = left
    for term in right.terms { sum.add(term) }
    sum.offset += right.offset
    return sum
  }

  /// 0 for an axis that does not occur.
  public func coefficient(of axis: AxisID) -> Int {
    terms.first { $0.axis == axis }?.coefficient ?? 0
  }

  public mutating func add(_ term: Term) {
    let index = terms.firstIndex { $0.axis >= term.axis } ?? terms.endIndex
    var coefficient = term.coefficient
    if index < terms.endIndex, terms[index].axis == term.axis {
      coefficient += terms.remove(at: index).coefficient
    }
    if coefficient != 0 { terms.insert(Term(axis: term.axis, coefficient: coefficient), at: index) }
  }
}
