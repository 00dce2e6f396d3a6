import Support
import Tensors

/// What a kernel reads: an argument, one map per dimension, and what happens outside its bounds.
public struct Operand: Hashable, Sendable {
  public enum Outside: Hashable, Sendable {
    /// No point of the axes leaves the bounds; the verifier proves it.
    case never
    /// Reads as this value, in the stored domain (before the pre-program): i32 value or f32 bits.
    case fill(UInt32)
    /// Contributes nothing. Operands that contract or reduce consume only.
    case skip
  }

  public var type: TensorType
  public var maps: [AffineMap]
  public var outside: Outside
  /// From the stored element (its `input`, widened to i32 or f32) to the value that the form consumes.
  public var pre: Program
  /// move only: the box of the result that this source covers, one range per parallel axis.
  public var box: [Range<Int>]

  public init(
    _ type: TensorType, _ maps: [AffineMap], outside: Outside = .never, pre: Program = .identity,
    box: [Range<Int>] = []
  ) {
    self.type = type
    self.maps = maps
    self.outside = outside
    self.pre = pre
    self.box = box
  }
}

/// A loop nest with one result. The parallel axes in their order are the dimensions of the result; the
/// split, reduce and window axes in their order are the order of the reduction.
public struct Kernel: Hashable, Sendable {
  public enum Form: Hashable, Sendable {
    /// The sum over the reduction of operand 0 · operand 1, after their pre-programs: exact in i32 for
    /// integers, exact and rounded once for FP8, otherwise one chain of FMAs in f32 from +0 (a chain per
    /// index of a `split` axis, then a balanced tree).
    case contract
    /// The post-program alone, over all operands.
    case map
    /// Operand 0, after its pre-program, reduced.
    case reduce(Reduction)
    /// Copies: the operand whose box holds the point. No programs.
    case move
    /// Operand 0 with its coordinate in `dimension` replaced by the element of operand 1 (i32). No programs.
    case gather(dimension: Int)
    /// Operand 0, overwritten where an index in operand 1 (i32), mapped by the only reduce axis, equals the
    /// coordinate of the parallel axis `dimension`, by operand 2 at that point. The last write wins.
    case scatter(dimension: Int)
  }

  public enum Reduction: String, CaseIterable, Hashable, Sendable {
    /// i32: exact. f32: at most 64 elements as one chain from +0, more by the rule of sixteen partial sums.
    case sum
    case product
    case maximum
    case minimum
    /// The flat index, in the order of the reduction, of the first largest (smallest) element; NaN is largest
    /// (smallest).
    case argumentOfMaximum
    case argumentOfMinimum
  }

  public var form: Form
  public private(set) var axes = EntityMap<AxisID, Axis>()
  public var operands: [Operand] = []
  /// From the sum or reduction (its `input`) and any operands to the result; i32 or f32, then rounded once
  /// or clamped to `element`. Operands 2… of contract, 1… of reduce and all of map are for programs.
  public var post = Program.identity
  public var tables: [Table] = []
  /// What the result stores.
  public var element: ElementType

  public init(_ form: Form, _ element: ElementType) {
    self.form = form
    self.element = element
  }

  @discardableResult
  public mutating func axis(_ name: String, _ extent: Int, _ role: Axis.Role = .parallel) -> AxisID {
    axes.append(Axis(name, extent, role))
  }

  public func axes(_ role: Axis.Role) -> [AxisID] { axes.ids.filter { axes[$0].role == role } }

  /// Split, reduce and window axes in their declared order.
  public var reductionAxes: [AxisID] { axes.ids.filter { axes[$0].role != .parallel } }

  public var result: TensorType { TensorType(element, axes(.parallel).map { axes[$0].extent }) }
}

extension Kernel {
  /// How a contraction adds its products.
  public enum Accumulation: Sendable {
    case integer
    case fp8
    case chain
  }

  /// By the stored types of operands 0 and 1: both integer, both FP8, or any other floats.
  public var accumulation: Accumulation {
    let elements = operands.prefix(2).map(\.type.element)
    if elements.allSatisfy({ !$0.isFloat }) { return .integer }
    return elements.allSatisfy { $0.size == 1 && $0.isFloat } ? .fp8 : .chain
  }
}
