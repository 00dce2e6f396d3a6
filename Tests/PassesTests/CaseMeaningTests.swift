import GraphIR
import Operators
import Passes
import Support
import Tensors
import TestSupport
import Testing

extension Tensor {
  /// Floats of both signs, and 0 or false where elements are no floats.
  fileprivate static func random(_ type: ValueType, _ random: inout SeededRandom) throws -> Tensor {
    let concrete = TensorType(type.element, type.shape.map { $0.extent ?? 2 })
    guard type.element.isFloat else { return try Tensor(concrete) }
    let numbers = (0..<(try concrete.elementCount())).map { _ in Float.random(in: -4...4, using: &random) }
    return try Tensor(TensorType(.f32, concrete.shape), numbers).converted(to: type.element)
  }
}

/// The graphs of all cases mean the same before and after their passes: floats within the tolerance that models
/// have, integers to one step.
@Test(arguments: GoldenFile.all(in: "Cases"), Seed.all)
func casesKeepTheMeaning(_ file: GoldenFile, seed: Seed) throws {
  var random = seed.random
  let graph = try Graph(text: file.input)
  var optimized = graph
  _ = try PassManager(everyPass.selecting(file.command)).run(on: &optimized)
  let inputs = try graph.inputs.map { try Tensor.random(graph.values[$0].type, &random) }
  let before = try OperatorSet.standard.evaluate(graph, inputs)
  let after = try OperatorSet.standard.evaluate(optimized, inputs)
  #expect(graph.outputs.count == optimized.outputs.count)
  for (old, new) in zip(graph.outputs, optimized.outputs) {
    #expect(graph.values[old].name == optimized.values[new].name)
    let (a, b) = (try #require(before[old]), try #require(after[new]))
    let (x, y) = (a.doubleElements(), b.doubleElements())
    let largest = x.map(\.magnitude).max() ?? 0
    let allowed = a.element.isFloat ? 1e-4 * largest : 1
    #expect(
      a.type == b.type && zip(x, y).allSatisfy { abs($0 - $1) <= allowed + 1e-3 * abs($0) }, "\(x)\n\(y)")
  }
}
