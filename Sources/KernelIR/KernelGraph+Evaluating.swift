import Support
import Tensors

extension KernelGraph {
  /// Every buffer's contents, by running kernels one at a time with `KernelEvaluator`.
  /// - Parameter inputs: one tensor per input, of its type.
  /// - Throws: `invalidOperand` for a missing input or one of another type; what kernels throw.
  public func evaluate(_ inputs: [BufferID: Tensor]) throws(Diagnostic) -> EntityMap<BufferID, Tensor> {
    var values = SideTable<BufferID, Tensor?>(default: nil)
    for id in buffers.ids {
      switch buffers[id].definition {
      case .constant(let tensor): values[id] = tensor
      case .input:
        guard let tensor = inputs[id], tensor.type == buffers[id].type else {
          let found = inputs[id].map { "\($0.type)" } ?? "nothing"
          throw Diagnostic(
            .invalidOperand, "input \(id) '\(buffers[id].name)' is \(buffers[id].type), given is \(found)")
        }
        values[id] = tensor
      case .result: continue
      }
    }
    for id in nodes.ids {
      let node = nodes[id]
      var arguments: [Tensor] = []
      for operand in node.operands {
        guard let argument = values[operand] else {
          throw Diagnostic(.invalidKernel, "K12: \(id) reads \(operand), which is not defined before it")
        }
        arguments.append(argument)
      }
      switch node.body {
      case .kernel(let kernel): values[node.result] = try KernelEvaluator.run(kernel, arguments)
      case .view:
        guard let argument = arguments.first, arguments.count == 1 else {
          throw Diagnostic(.invalidKernel, "K14: view \(id) has \(arguments.count) operands")
        }
        values[node.result] = try argument.reshaped(buffers[node.result].type.shape)
      }
    }
    var all = EntityMap<BufferID, Tensor>()
    for id in buffers.ids {
      guard let value = values[id] else {
        throw Diagnostic(.invalidKernel, "K12: buffer \(id) is not defined by any kernel")
      }
      all.append(value)
    }
    return all
  }

  /// The outputs, in their order, from inputs by name.
  /// - Throws: as `evaluate` of inputs by number.
  public func evaluate(named inputs: [String: Tensor]) throws(Diagnostic) -> [Tensor] {
    var numbered: [BufferID: Tensor] = [:]
    for id in self.inputs { numbered[id] = inputs[buffers[id].name] }
    let values = try evaluate(numbered)
    return outputs.map { values[$0] }
  }
}
