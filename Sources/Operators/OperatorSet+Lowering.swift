import GraphIR
import KernelIR
import Support
import Tensors

extension OperatorSet {
  /// Adds the kernels of a node to a kernel graph.
  /// - Parameters:
  ///   - types: the concrete type of every value of the graph, as stored.
  ///   - buffers: those of the operands; `none` where one is absent.
  /// - Returns: the buffers of the results, named after their values; nil where the node has no lowering.
  /// - Throws: `notLowered` with the reason where the node is refused.
  public func lower(
    _ node: NodeID, in graph: Graph, types: (ValueID) throws(Diagnostic) -> TensorType, _ buffers: [BufferID],
    into kernels: inout KernelGraph
  ) throws(Diagnostic) -> [BufferID]? {
    do {
      let instance = try instance(of: node, in: graph)
      let isConversion = type(of: instance).schema.isConversion
      var operands: [(stored: TensorType, quantization: Quantization?, constant: Tensor?)?] = []
      for id in graph.operands(of: node) {
        guard !id.isNone else {
          operands.append(nil)
          continue
        }
        let value = graph.values[id]
        operands.append((try types(id), isConversion ? nil : value.quantization, value.constant))
      }
      var results: [LoweringContext.Result] = []
      for id in graph.results(of: node) {
        let stored = try types(id)
        let quantization = isConversion ? nil : graph.values[id].quantization
        let type = quantization == nil ? stored : TensorType(.f32, stored.shape)
        results.append(LoweringContext.Result(type: type, stored: stored, quantization: quantization))
      }
      var context = LoweringContext(operands, results)
      guard let fragment = try instance.lower(&context), fragment.count >= results.count else { return nil }
      let sources = graph.nodes[node].sources
      return try FragmentJoin.join(
        context, Array(fragment.prefix(results.count)), to: &kernels, operands: buffers.filter { !$0.isNone },
        node: graph.nodes[node].name, sources: sources,
        names: graph.results(of: node).map { graph.values[$0].name })
    } catch { throw error.located(at: graph.location(of: node)) }
  }

  /// A whole graph as kernels. Its types must be concrete (the pass `infer-shapes` makes them so).
  /// - Throws: `notLowered` for the first node without a lowering, `symbolicShape`.
  public func lower(_ graph: Graph) throws(Diagnostic) -> KernelGraph {
    var kernels = KernelGraph(name: graph.name)
    var buffers = SideTable<ValueID, BufferID>(default: .none)
    for id in graph.inputs {
      buffers[id] = kernels.input(graph.values[id].name, try graph.values[id].type.requireConcrete())
    }
    for id in graph.constants {
      guard let constant = graph.values[id].constant else { continue }
      buffers[id] = kernels.constant(constant, name: graph.values[id].name)
    }
    for node in graph.order {
      let operands = graph.operands(of: node).map { $0.isNone ? .none : buffers[$0] }
      let lowered = try lower(
        node, in: graph, types: { (id) throws(Diagnostic) in try graph.values[id].type.requireConcrete() },
        operands, into: &kernels)
      guard let lowered else {
        throw Diagnostic(
          .notLowered, at: graph.location(of: node), "the operator has no form in kernels here")
      }
      for (id, buffer) in zip(graph.results(of: node), lowered) { buffers[id] = buffer }
    }
    kernels.outputs = graph.outputs.map { buffers[$0] }
    return kernels.canonical()
  }
}

extension KernelGraph {
  /// The same in canonical numbering, without constants that nobody reads.
  func canonical() -> KernelGraph {
    var isUsed = SideTable<BufferID, Bool>(default: false)
    for id in nodes.ids { for operand in nodes[id].operands { isUsed[operand] = true } }
    for output in outputs { isUsed[output] = true }
    var result = KernelGraph(name: name)
    var new = SideTable<BufferID, BufferID>(default: .none)
    for id in buffers.ids where buffers[id].definition == .input {
      new[id] = result.buffers.append(buffers[id])
    }
    for id in buffers.ids where buffers[id].constant != nil && isUsed[id] {
      new[id] = result.buffers.append(buffers[id])
    }
    for id in nodes.ids {
      let node = nodes[id]
      new[node.result] = result.buffers.append(buffers[node.result])
      result.nodes.append(
        KernelNode(
          name: node.name, sources: node.sources, body: node.body, operands: node.operands.map { new[$0] },
          result: new[node.result]))
    }
    result.outputs = outputs.map { new[$0] }
    return result
  }
}
