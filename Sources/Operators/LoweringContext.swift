import GraphIR
import KernelIR
import Support
import Tensors

/// Where an operator adds its kernels: a fragment of a kernel graph whose inputs are the node's operands.
/// Quantized operands are seen as f32 (`type`), and what reads them so is turned to read their stored
/// numbers when the fragment joins the graph; `contraction` alone looks at the stored numbers itself.
public struct LoweringContext {
  public struct Argument: Sendable {
    public let buffer: BufferID
    /// What the operator computes on: f32 for a quantized value.
    public let type: TensorType
    /// What lies in memory.
    public let stored: TensorType
    public let quantization: Quantization?
    /// The stored elements of a constant.
    public let constant: Tensor?
  }

  public struct Result: Sendable {
    /// What the operator computes: f32 for a quantized value.
    public let type: TensorType
    public let stored: TensorType
    public let quantization: Quantization?
  }

  /// Nil where an optional operand is absent.
  public let operands: [Argument?]
  public let results: [Result]
  /// The kernels so far.
  public private(set) var fragment: KernelGraph
  /// Buffers that already hold a result's stored numbers.
  private(set) var stored: [BufferID] = []

  init(
    _ operands: [(stored: TensorType, quantization: Quantization?, constant: Tensor?)?], _ results: [Result]
  ) {
    var fragment = KernelGraph(name: "")
    self.operands = operands.map { operand in
      guard let operand else { return nil }
      let logical = operand.quantization == nil ? operand.stored.element : .f32
      let type = TensorType(logical, operand.stored.shape)
      return Argument(
        buffer: fragment.input("", type), type: type, stored: operand.stored,
        quantization: operand.quantization, constant: operand.constant)
    }
    self.results = results
    self.fragment = fragment
  }

  /// Whether the operand is there.
  public func has(_ index: Int) -> Bool { operands.indices.contains(index) && operands[index] != nil }

  /// - Throws: `invalidOperand` where it is absent.
  public func operand(_ index: Int) throws(Diagnostic) -> Argument {
    guard has(index), let operand = operands[index] else {
      throw Diagnostic(.invalidOperand, "operand \(index) is absent")
    }
    return operand
  }

  public mutating func kernel(_ kernel: Kernel, _ operands: [BufferID]) -> BufferID {
    fragment.kernel(kernel, operands)
  }

  /// A kernel that reads stored numbers of quantized operands and gives stored numbers of the result.
  mutating func storedKernel(_ kernel: Kernel, _ operands: [BufferID]) -> BufferID {
    let buffer = fragment.kernel(kernel, operands)
    stored.append(buffer)
    return buffer
  }

  public mutating func view(_ operand: BufferID, _ shape: [Int]) -> BufferID { fragment.view(operand, shape) }

  public mutating func constant(_ tensor: Tensor) -> BufferID { fragment.constant(tensor) }

  /// The type of a buffer of the fragment.
  public func type(of buffer: BufferID) -> TensorType { fragment.buffers[buffer].type }

  /// Integers that the operand must have been given as a constant, or nil where it was not.
  func integers(_ index: Int) throws(Diagnostic) -> [Int]? {
    guard let constant = try operand(index).constant else { return nil }
    return try constant.int64Elements()
  }
}
