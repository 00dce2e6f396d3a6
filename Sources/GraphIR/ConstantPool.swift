import Support
import Tensors

/// Tensors by their digests: where the parser finds the constants that a text only names.
public struct ConstantPool: Sendable {
  /// A text spells out a tensor of at most this many elements.
  public static let inlineLimit = 64

  private var tensors: [String: Tensor] = [:]

  public init() {}

  public mutating func insert(_ tensor: Tensor) { tensors[tensor.digest] = tensor }

  /// In the order of their digests.
  public var all: [Tensor] { tensors.sorted { $0.key < $1.key }.map(\.value) }

  /// The tensor of a digest, in lower-case hexadecimal.
  public subscript(digest: String) -> Tensor? { tensors[digest] }
}

extension Graph {
  /// The constants and attributes that the text form of the graph, regions included, only names.
  public var constantPool: ConstantPool {
    var pool = ConstantPool()
    collect(into: &pool)
    return pool
  }

  private func collect(into pool: inout ConstantPool) {
    for leaf in leaves {
      if let tensor = values[leaf].constant, tensor.count > ConstantPool.inlineLimit { pool.insert(tensor) }
    }
    for node in order {
      for case .tensor(let tensor) in nodes[node].attributes.map(\.value)
      where tensor.count > ConstantPool.inlineLimit {
        pool.insert(tensor)
      }
      for region in nodes[node].regions { region.collect(into: &pool) }
    }
  }
}
