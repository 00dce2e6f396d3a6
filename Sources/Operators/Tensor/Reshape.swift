import GraphIR
import KernelIR
import Support
import Tensors

/// The elements of operand 0 under the shape in operand 1, where 0 keeps the operand's extent (unless
/// `allowzero`) and one -1 takes what is left.
public struct Reshape: ReshapingOperator {
  public var allowzero = false

  public static let schema = Schema("Reshape", since: [1, 5, 13, 14, 19, 21, 23], operands: 2...2)
  public static let fields: [AttributeField<Reshape>] = [AttributeField("allowzero", \.allowzero)]

  public init() {}

  public func infer(_ context: InferenceContext) throws(Diagnostic) -> [ValueType] {
    let x = try context.type(0)
    guard let stated = try context.integers(1) else {
      let rank = try context.length(1)
      guard let rank, rank <= 64 else {
        throw Diagnostic(.invalidOperand, "the rank of the result is not known before the graph runs")
      }
      return [ValueType(x.element, Array(repeating: .unknown, count: rank))]
    }
    if let extents = x.extents {
      return [ValueType(x.element, try resolve(stated, x: extents).map(Dimension.fixed))]
    }
    return [ValueType(x.element, try symbolic(stated, x))]
  }

  /// With symbols in the operand, a -1 is a symbol too: the operand's where it is the only one left over.
  private func symbolic(_ stated: [Int], _ x: ValueType) throws(Diagnostic) -> [Dimension] {
    var shape: [Dimension] = []
    for (index, extent) in stated.enumerated() {
      switch extent {
      case 0 where !allowzero:
        guard index < x.rank else {
          throw Diagnostic(.invalidOperand, "shape \(stated) keeps what \(x) lacks")
        }
        shape.append(x.shape[index])
      case ..<0: shape.append(.unknown)
      default: shape.append(.fixed(extent))
      }
    }
    // The remaining extents cancel where both sides agree on them.
    let symbols = x.shape.filter { $0.extent == nil }
    guard let hole = stated.firstIndex(of: -1), symbols.count == 1, symbols[0] != .unknown else {
      return shape
    }
    let others = shape.enumerated().filter { $0.offset != hole }.map(\.element)
    let given = try product(x.shape.compactMap(\.extent))
    let rest = try product(others.compactMap(\.extent))
    if others.contains(symbols[0]) {
      if rest > 0, given % rest == 0 { shape[hole] = .fixed(given / rest) }
    } else if others.allSatisfy({ $0.extent != nil }), given == rest {
      shape[hole] = symbols[0]
    }
    return shape
  }

  func shape(of x: [Int], _ operands: [Tensor?]) throws(Diagnostic) -> [Int] {
    try resolve(try operands.tensor(1).int64Elements(), x: x)
  }

  private func resolve(_ stated: [Int], x: [Int]) throws(Diagnostic) -> [Int] {
    var shape = stated
    for (index, extent) in stated.enumerated() where extent == 0 && !allowzero {
      guard index < x.count else {
        throw Diagnostic(.invalidOperand, "shape \(stated) keeps what \(x) lacks")
      }
      shape[index] = x[index]
    }
    let count = try product(x)
    if let hole = shape.firstIndex(of: -1) {
      shape[hole] = 1
      let rest = shape.contains { $0 < 0 } ? 0 : try product(shape)
      guard rest > 0, count % rest == 0 else {
        throw Diagnostic(.invalidOperand, "shape \(stated) does not fit the \(count) elements of \(x)")
      }
      shape[hole] = count / rest
    }
    guard !shape.contains(where: { $0 < 0 }), try product(shape) == count else {
      throw Diagnostic(.invalidOperand, "shape \(stated) does not fit the \(count) elements of \(x)")
    }
    return shape
  }
}
