import GraphIR
import Support
import Tensors

/// Inputs to run a graph on, one set after the other, so that memory holds one at a time.
public protocol SampleSource: Sendable {
  var count: Int { get }
  /// A tensor for each input of the graph, by name.
  func sample(_ index: Int) throws(Diagnostic) -> [String: Tensor]
}

/// Consecutive rows of arrays `<input>[N, …]`. A sample is as many rows as the input's first extent says,
/// one where it is symbolic; an array that has one dimension more than the input gives one element of its
/// first dimension. Rows that do not fill a sample are left out. Memory holds the rows of one sample at a time.
public struct ArchiveSamples: SampleSource {
  private struct Input: Sendable {
    let name: String
    let array: NPZRows
    let element: ElementType
    let rows: Int
    /// Whether the first dimension of the array is none of the input's.
    let isStacked: Bool
  }

  public let count: Int
  private let inputs: [Input]

  /// - Parameter limit: of the number of samples.
  /// - Throws: `malformedFile` for an input without an array; `invalidOperand` for an array that does not
  ///   fit its input.
  public init(_ archive: NPZArchive, for graph: Graph, limit: Int = .max) throws(Diagnostic) {
    var arrays: [String: NPZRows] = [:]
    for input in graph.inputs {
      let name = graph.values[input].name
      arrays[name] = try archive.rows(named: name)
    }
    try self.init(arrays, for: graph, limit: limit)
  }

  /// - Throws: `invalidOperand` for an input without an array or an array that does not fit its input.
  public init(_ arrays: [String: Tensor], for graph: Graph, limit: Int = .max) throws(Diagnostic) {
    try self.init(arrays.mapValues { NPZRows($0) }, for: graph, limit: limit)
  }

  private init(_ arrays: [String: NPZRows], for graph: Graph, limit: Int) throws(Diagnostic) {
    var inputs: [Input] = []
    for id in graph.inputs {
      let (name, type) = (graph.values[id].name, graph.values[id].type)
      guard let array = arrays[name] else {
        throw Diagnostic(.invalidOperand, "no samples are given for input '\(name)'")
      }
      let isBatch = !type.shape.isEmpty && Self.fits(array.type.shape.dropFirst(), type.shape.dropFirst())
      let isStacked = !isBatch && Self.fits(array.type.shape.dropFirst(), type.shape[...])
      guard !array.type.shape.isEmpty, isBatch || isStacked else {
        throw Diagnostic(
          .invalidOperand, "samples of input '\(name)' are \(array.type), the input is \(type)")
      }
      let rows = isBatch ? type.shape[0].extent ?? 1 : 1
      inputs.append(
        Input(name: name, array: array, element: type.element, rows: max(rows, 1), isStacked: isStacked))
    }
    self.inputs = inputs
    count = min(limit, inputs.map { $0.array.type.shape[0] / $0.rows }.min() ?? 0)
  }

  private static func fits(_ shape: ArraySlice<Int>, _ dimensions: ArraySlice<Dimension>) -> Bool {
    shape.count == dimensions.count
      && zip(shape, dimensions).allSatisfy { $1.extent == nil || $1.extent == $0 }
  }

  public func sample(_ index: Int) throws(Diagnostic) -> [String: Tensor] {
    var sample: [String: Tensor] = [:]
    for input in inputs {
      var tensor = try input.array.rows(index * input.rows..<(index + 1) * input.rows)
      if input.isStacked {
        let type = TensorType(tensor.element, Array(tensor.shape.dropFirst()))
        tensor = try Tensor(type, tensor.storage, offset: tensor.offset)
      }
      sample[input.name] = try tensor.converted(to: input.element)
    }
    return sample
  }
}
