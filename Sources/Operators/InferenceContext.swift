import GraphIR
import Support
import Tensors

/// What is known of an operand before the graph runs.
public struct OperandType: Equatable, Sendable {
  public let type: ValueType
  /// Its value, where it is a constant.
  public let constant: Tensor?

  public init(_ type: ValueType, constant: Tensor? = nil) {
    self.type = type
    self.constant = constant
  }

  public init(_ constant: Tensor) { self.init(ValueType(constant.type), constant: constant) }
}

/// The operands of a node as inference sees them.
public struct InferenceContext: Sendable {
  /// Nil where an optional operand is absent.
  public let operands: [OperandType?]
  /// The graphs that the node runs.
  public let regions: [Graph]

  public init(_ operands: [OperandType?], regions: [Graph] = []) {
    self.operands = operands
    self.regions = regions
  }

  /// Whether the operand is there.
  public func has(_ index: Int) -> Bool { operands.indices.contains(index) && operands[index] != nil }

  /// - Throws: `invalidOperand` where it is absent.
  public func type(_ index: Int) throws(Diagnostic) -> ValueType {
    guard has(index), let operand = operands[index] else {
      throw Diagnostic(.invalidOperand, "operand \(index) is absent")
    }
    return operand.type
  }

  /// The type, held to be of some element types.
  public func type(_ index: Int, of allowed: [ElementType]) throws(Diagnostic) -> ValueType {
    let type = try type(index)
    guard allowed.contains(type.element) else {
      let names = allowed.map(\.rawValue).joined(separator: ", ")
      throw Diagnostic(.invalidOperand, "operand \(index) is \(type), allowed are \(names)")
    }
    return type
  }

  /// The value of a constant operand, or nil.
  public func constant(_ index: Int) -> Tensor? { has(index) ? operands[index]?.constant : nil }

  /// The integers of a constant operand, or nil where it is absent or not constant.
  public func integers(_ index: Int) throws(Diagnostic) -> [Int]? {
    guard let tensor = constant(index) else { return nil }
    return try tensor.int64Elements()
  }

  /// The number of elements of a vector, or nil where its extent is symbolic.
  public func length(_ index: Int) throws(Diagnostic) -> Int? {
    let type = try type(index)
    guard type.rank == 1 else { throw Diagnostic(.invalidOperand, "operand \(index) is \(type), no vector") }
    return type.shape[0].extent
  }
}

extension ElementType {
  /// Floats that programs and chains compute on.
  static let narrowFloats: [ElementType] = [.f16, .bf16, .f32]
  static let floats: [ElementType] = [.f16, .bf16, .f32, .f64]
  static let indices: [ElementType] = [.i32, .i64]
  static let integers: [ElementType] = [.i8, .u8, .i16, .u16, .i32, .u32, .i64, .u64]
  static let numbers: [ElementType] = floats + integers
}

/// `axis` counted from the front. - Throws: `invalidOperand` outside [-rank, rank).
func normalized(_ axis: Int, rank: Int) throws(Diagnostic) -> Int {
  guard axis >= -rank, axis < rank else {
    throw Diagnostic(.invalidOperand, "axis \(axis) is not within -\(rank)…\(rank - 1)")
  }
  return axis < 0 ? axis + rank : axis
}

/// Axes counted from the front, ascending.
func normalized(_ axes: [Int], rank: Int) throws(Diagnostic) -> [Int] {
  var all: [Int] = []
  for axis in axes { all.append(try normalized(axis, rank: rank)) }
  guard Set(all).count == all.count else { throw Diagnostic(.invalidOperand, "axes \(axes) repeat") }
  return all.sorted()
}

/// The product of extents from a file or a graph. - Throws: `sizeOverflow`.
func product(_ extents: [Int]) throws(Diagnostic) -> Int {
  var size = try ByteCount(1)
  for extent in extents { size = try size * extent }
  return size.bytes
}
