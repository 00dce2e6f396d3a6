import GraphIR
import KernelIR
import Support
import Tensors

/// A matrix: the dimensions before `axis` by the others.
public struct Flatten: ReshapingOperator {
  public var axis = 1

  public static let schema = Schema("Flatten", since: [1, 9, 11, 13, 21, 23], operands: 1...1)
  public static let fields: [AttributeField<Flatten>] = [AttributeField("axis", \.axis)]

  public init() {}

  private func split(rank: Int) throws(Diagnostic) -> Int {
    axis == rank ? rank : try normalized(axis, rank: rank)
  }

  public func infer(_ context: InferenceContext) throws(Diagnostic) -> [ValueType] {
    let x = try context.type(0)
    let split = try split(rank: x.rank)
    return [ValueType(x.element, [try merge(x.shape[..<split]), try merge(x.shape[split...])])]
  }

  private func merge(_ shape: ArraySlice<Dimension>) throws(Diagnostic) -> Dimension {
    let long = shape.filter { $0.extent != 1 }
    if long.count == 1, let only = long.first { return only }
    let extents = long.compactMap(\.extent)
    return extents.count == long.count ? .fixed(try product(extents)) : .unknown
  }

  func shape(of x: [Int], _ operands: [Tensor?]) throws(Diagnostic) -> [Int] {
    let split = try split(rank: x.count)
    return [try product(Array(x[..<split])), try product(Array(x[split...]))]
  }
}
