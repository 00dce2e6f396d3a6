import GraphIR
import Operators
import Passes
import Support
import Tensors

/// Shapes for a graph's inputs where it leaves extents open: 1 for all, or where inference finds that the graph
/// does not take that, 32, 64, 128 or 224 for those behind the first of an input, which stay 1 as the batch.
enum SampleShapes {
  private static let extents = [1, 32, 64, 128, 224]

  /// By input, in the graph's order.
  /// - Throws: what is wrong with extents of 1 where nothing does.
  static func choose(_ graph: Graph, _ operators: OperatorSet) throws(Diagnostic) -> [[Int]] {
    let types = graph.inputs.map { graph.values[$0].type }
    let fixed = types.compactMap(\.extents)
    if fixed.count == types.count { return fixed }
    let batch = Set(types.compactMap(\.shape.first))
    var failure: Diagnostic?
    for extent in extents {
      let shapes = types.map { type in
        type.shape.enumerated().map { place, dimension in
          dimension.extent
            ?? (place == 0 || (dimension != .unknown && batch.contains(dimension)) ? 1 : extent)
        }
      }
      do {
        try check(graph, shapes, operators)
        return shapes
      } catch { failure = failure ?? error }
    }
    guard let failure else { return [] }
    throw Diagnostic(
      failure.kind, at: failure.location, failure.message, help: help(types))
  }

  private static func help(_ types: [ValueType]) -> String {
    var names: [String] = []
    for case .symbol(let name) in types.flatMap(\.shape) where !name.isEmpty && !names.contains(name) {
      names.append(name)
    }
    let list = names.isEmpty ? "none of them has a name" : "they are \(names.joined(separator: ", "))"
    return "give data with --input, or fix open dimensions with --dim name=extent: \(list)"
  }

  /// Infers all shapes that the inputs' decide. - Throws: what operators do not take.
  private static func check(
    _ graph: Graph, _ shapes: [[Int]], _ operators: OperatorSet
  ) throws(Diagnostic) {
    var rewriter = Rewriter(graph)
    for (input, shape) in zip(graph.inputs, shapes) {
      rewriter.setType(of: input, to: ValueType(TensorType(graph.values[input].type.element, shape)))
    }
    var concrete = rewriter.finish()
    var options = PassManager.Options()
    options.verifiesEach = false
    _ = try PassManager(PassTable([.inferShapes, .foldConstants]), operators, options).run(on: &concrete)
  }
}
