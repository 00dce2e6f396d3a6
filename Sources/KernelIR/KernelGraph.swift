import Support
import Tensors

public struct BufferID: EntityID {
  public static let sigil = "$"
  public let rawValue: UInt32
  @inlinable public init(rawValue: UInt32) { self.rawValue = rawValue }
}

public struct KernelID: EntityID {
  public static let sigil = "k"
  public let rawValue: UInt32
  @inlinable public init(rawValue: UInt32) { self.rawValue = rawValue }
}

public struct Buffer: Equatable, Sendable {
  public enum Definition: Equatable, Sendable {
    case input
    case constant(Tensor)
    case result
  }

  /// The name of the graph's value that it holds, or empty for what exists only between kernels.
  public let name: String
  public let type: TensorType
  public let definition: Definition

  public init(name: String, type: TensorType, definition: Definition) {
    self.name = name
    self.type = type
    self.definition = definition
  }

  public var constant: Tensor? {
    guard case .constant(let tensor) = definition else { return nil }
    return tensor
  }
}

public struct KernelNode: Equatable, Sendable {
  public enum Body: Equatable, Sendable {
    case kernel(Kernel)
    /// The same elements in row-major order under the shape of the result.
    case view
  }

  /// The name of the graph's node that it comes from.
  public let name: String
  /// The numbers of the graph's nodes that it computes, ascending: provenance.
  public let sources: [Int]
  public var body: Body
  public var operands: [BufferID]
  public let result: BufferID

  public init(name: String, sources: [Int], body: Body, operands: [BufferID], result: BufferID) {
    self.name = name
    self.sources = sources
    self.body = body
    self.operands = operands
    self.result = result
  }

  public var kernel: Kernel? {
    guard case .kernel(let kernel) = body else { return nil }
    return kernel
  }
}

/// Kernels and views over concrete buffers, in an order in which every operand is defined before its use.
/// Canonical numbering: inputs, constants, then results in program order; kernels in program order.
public struct KernelGraph: Equatable, Sendable {
  public let name: String
  public var buffers = EntityMap<BufferID, Buffer>()
  public var nodes = EntityMap<KernelID, KernelNode>()
  public var outputs: [BufferID] = []

  public init(name: String) { self.name = name }

  public var inputs: [BufferID] { buffers.ids.filter { buffers[$0].definition == .input } }

  public mutating func input(_ name: String, _ type: TensorType) -> BufferID {
    buffers.append(Buffer(name: name, type: type, definition: .input))
  }

  public mutating func constant(_ tensor: Tensor, name: String = "") -> BufferID {
    buffers.append(Buffer(name: name, type: tensor.type, definition: .constant(tensor)))
  }

  public mutating func kernel(
    _ kernel: Kernel, _ operands: [BufferID], node: String = "", sources: [Int] = [], name: String = ""
  ) -> BufferID {
    append(.kernel(kernel), operands, kernel.result, node, sources, name)
  }

  /// - Precondition: as many elements as the operand has.
  public mutating func view(
    _ operand: BufferID, _ shape: [Int], node: String = "", sources: [Int] = [], name: String = ""
  ) -> BufferID {
    let type = TensorType(buffers[operand].type.element, shape)
    return append(.view, [operand], type, node, sources, name)
  }

  private mutating func append(
    _ body: KernelNode.Body, _ operands: [BufferID], _ type: TensorType, _ node: String, _ sources: [Int],
    _ name: String
  ) -> BufferID {
    let result = buffers.append(Buffer(name: name, type: type, definition: .result))
    nodes.append(KernelNode(name: node, sources: sources, body: body, operands: operands, result: result))
    return result
  }
}
