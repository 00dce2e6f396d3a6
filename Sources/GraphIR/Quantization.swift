import Support
import Tensors

/// How stored numbers stand for real ones: real = (stored - zeroPoint) · scale. The stored element type is
/// that of the value that carries this.
public struct Quantization: Hashable, Sendable {
  /// One, or one for each index of `axis`.
  public let scale: [Float]
  /// As many as scales; 0 for FP8.
  public let zeroPoint: [Int32]
  /// The dimension along which scales vary, or nil for one scale.
  public let axis: Int?

  public init(scale: [Float], zeroPoint: [Int32], axis: Int? = nil) {
    self.scale = scale
    self.zeroPoint = zeroPoint
    self.axis = axis
  }

  /// One scale for the whole tensor.
  public init(scale: Float, zeroPoint: Int32 = 0) {
    self.init(scale: [scale], zeroPoint: [zeroPoint])
  }

  /// The element types that may carry a quantization.
  public static let elements: [ElementType] = [
    .i4, .u4, .i8, .u8, .i16, .u16, .i32, .f8e4m3, .f8e5m2,
  ]

  /// Scales compare by their bits.
  public static func == (left: Self, right: Self) -> Bool {
    left.scale.map(\.bitPattern) == right.scale.map(\.bitPattern) && left.zeroPoint == right.zeroPoint
      && left.axis == right.axis
  }

  public func hash(into hasher: inout Hasher) {
    hasher.combine(scale.map(\.bitPattern))
    hasher.combine(zeroPoint)
    hasher.combine(axis)
  }

  /// What is wrong with it on a value of `type`, in a few words, or nil.
  public func fault(on type: ValueType) -> String? {
    guard Self.elements.contains(type.element) else { return "\(type.element.rawValue) has no quantization" }
    guard scale.count == zeroPoint.count else {
      return "\(scale.count) scales, \(zeroPoint.count) zero points"
    }
    if let axis {
      guard type.shape.indices.contains(axis) else { return "axis \(axis) of rank \(type.rank)" }
      guard type.shape[axis].extent == nil || type.shape[axis].extent == scale.count else {
        return "\(scale.count) scales along axis \(axis) of \(type)"
      }
    } else if scale.count != 1 {
      return "\(scale.count) scales without an axis"
    }
    guard scale.allSatisfy({ $0.isFinite && $0 > 0 }) else { return "a scale is not positive and finite" }
    let range = type.element.integerRange ?? 0...0
    guard zeroPoint.allSatisfy(range.contains) else {
      return "a zero point is not within \(range) of \(type.element.rawValue)"
    }
    return nil
  }
}

extension Quantization: TextForm, CustomStringConvertible {
  public var description: String { text }

  /// `q(0.5, 3)` or `q(axis 1: [0.5, 0.25], [0, 0])`.
  public func write(to out: inout TextWriter) {
    out.write("q(")
    if axis == nil, scale.count == 1, zeroPoint.count == 1 {
      out.write(scale[0])
      out.write(", ")
      out.write(zeroPoint[0])
    } else {
      if let axis {
        out.write("axis ")
        out.write(axis)
        out.write(": ")
      }
      out.write("[")
      out.list(scale)
      out.write("], [")
      out.list(zeroPoint)
      out.write("]")
    }
    out.write(")")
  }

  public init(parsing text: inout TextReader) throws(Diagnostic) {
    try text.expect("q")
    try text.expect("(")
    var axis: Int?
    if text.accept("axis") {
      axis = try text.integer()
      try text.expect(":")
    }
    if text.accept("[") {
      let scale = try text.list(until: "]", of: Float.self)
      try text.expect(",")
      try text.expect("[")
      self.init(scale: scale, zeroPoint: try text.list(until: "]"), axis: axis)
    } else {
      let scale = try Float(parsing: &text)
      try text.expect(",")
      self.init(scale: [scale], zeroPoint: [try text.integer()], axis: axis)
    }
    try text.expect(")")
  }
}
