import GraphIR
import KernelIR
import Support
import Tensors

/// The results of the first region where the condition, operand 0, is true, else those of the second. The
/// other operands are the inputs of the first region, then those of the second.
public struct If: Operator {
  public static let schema = Schema(
    "If", since: [1, 11, 13, 16, 19, 21, 23], operands: 1...(.max), results: 1...(.max))
  public static let fields: [AttributeField<If>] = []

  public init() {}

  /// Which region runs, and where its inputs stand among the operands.
  public static func branch(_ condition: Tensor, _ regions: [Graph]) throws(Diagnostic) -> (
    index: Int, start: Int
  ) {
    guard condition.count == 1, let value = try condition.int64Elements().first else {
      throw Diagnostic(.invalidOperand, "the condition is \(condition.type), allowed is one bool")
    }
    return value != 0 ? (0, 1) : (1, 1 + regions[0].inputs.count)
  }

  public func infer(_ context: InferenceContext) throws(Diagnostic) -> [ValueType] {
    _ = try context.type(0, of: [.bool])
    let regions = context.regions
    guard regions.count == 2, regions[0].outputs.count == regions[1].outputs.count,
      context.operands.count == 1 + regions[0].inputs.count + regions[1].inputs.count
    else { throw Diagnostic(.invalidOperand, "an If needs two regions that take its operands") }
    let types = regions.map { region in region.outputs.map { region.values[$0].type } }
    if let condition = context.constant(0) { return types[try Self.branch(condition, regions).index] }
    var merged: [ValueType] = []
    for (first, second) in zip(types[0], types[1]) {
      guard first.element == second.element, first.rank == second.rank else {
        throw Diagnostic(
          .invalidOperand, "the condition decides between \(first) and \(second)",
          help: "fix the dimensions that it depends on with --dim name=extent")
      }
      merged.append(ValueType(first.element, zip(first.shape, second.shape).map { $0 == $1 ? $0 : .unknown }))
    }
    return merged
  }

  /// Those of either branch, since a condition that decides between different ranks may be known to import
  /// alone.
  public func check(_ results: [ValueType], _ context: InferenceContext) throws(Diagnostic) {
    let isOfBranch = context.regions.contains { region in
      region.outputs.count >= results.count
        && zip(results, region.outputs).allSatisfy { $0.agrees(with: region.values[$1].type) }
    }
    guard isOfBranch else {
      throw Diagnostic(.invalidOperand, "the results are \(results), which no branch gives")
    }
  }

  public func evaluate(_ operands: [Tensor?]) throws(Diagnostic) -> [Tensor] {
    throw Diagnostic(.invalidOperand, "an If has no regions")
  }

  public func evaluate(
    _ operands: [Tensor?], regions: [Graph], _ operators: OperatorSet
  ) throws(Diagnostic) -> [Tensor] {
    let (index, start) = try Self.branch(try operands.tensor(0), regions)
    let region = regions[index]
    var inputs: [Tensor] = []
    for position in start..<(start + region.inputs.count) { inputs.append(try operands.tensor(position)) }
    let values = try operators.evaluate(region, inputs)
    var results: [Tensor] = []
    for output in region.outputs {
      guard let value = values[output] else {
        throw Diagnostic(.invalidOperand, "a region does not define its output \(output)")
      }
      results.append(value)
    }
    return results
  }
}
