import GraphIR
import KernelIR
import Support
import Tensors

extension OperatorSet {
  /// Bytes of the largest tensor that evaluation makes.
  public static let largestResult = 1 << 34

  /// The values of a node's results from the stored values of its operands, nil for absent ones. A quantized
  /// node (rule Q) means: dequantize the operands, evaluate in f32, quantize the results.
  /// - Throws: as the operator's inference and evaluation, placed at the node.
  public func evaluate(
    _ node: NodeID, in graph: Graph, _ operands: [Tensor?]
  ) throws(Diagnostic) -> [Tensor] {
    do throws(Diagnostic) {
      let instance = try instance(of: node, in: graph)
      let isConversion = type(of: instance).schema.isConversion
      var real: [Tensor?] = []
      for (value, tensor) in zip(graph.operands(of: node), operands) {
        guard let tensor, !isConversion, let quantization = graph.values[value].quantization else {
          real.append(tensor)
          continue
        }
        real.append(try quantization.dequantize(tensor))
      }
      // Inference is what evaluation may rely on, and run-time shapes have not passed it.
      let regions = graph.nodes[node].regions
      let known = InferenceContext(real.map { $0.map { OperandType($0) } }, regions: regions)
      let inferred = try instance.infer(known)
      for type in inferred.compactMap(\.concrete) {
        let size = try type.byteCount()
        guard size.bytes <= Self.largestResult else {
          throw Diagnostic(.sizeOverflow, "a result \(type) of \(size), allowed are \(Self.largestResult) B")
        }
      }
      let computed = try instance.evaluate(real, regions: regions, self)
      var stored: [Tensor] = []
      for (value, tensor) in zip(graph.results(of: node), computed) {
        guard !isConversion, let quantization = graph.values[value].quantization else {
          stored.append(tensor)
          continue
        }
        stored.append(try quantization.quantize(tensor, to: graph.values[value].type.element))
      }
      return stored
    } catch { throw error.located(at: graph.location(of: node)) }
  }

  /// Every value of a graph, by evaluating its nodes in order.
  /// - Parameter inputs: one tensor per input, by its position among `graph.inputs`.
  /// - Parameter inIntegers: whether quantized contractions sum in integers and `requant` once, as their kernels are
  ///   defined, which is all that a kernel may differ by from rule Q.
  public func evaluate(
    _ graph: Graph, _ inputs: [Tensor], inIntegers: Bool = false
  ) throws(Diagnostic) -> SideTable<ValueID, Tensor?> {
    var values = SideTable<ValueID, Tensor?>(default: nil)
    guard inputs.count == graph.inputs.count else {
      throw Diagnostic(
        .invalidOperand, "\(inputs.count) inputs are given, the graph has \(graph.inputs.count)")
    }
    for (id, tensor) in zip(graph.inputs, inputs) {
      guard graph.values[id].type.agrees(with: ValueType(tensor.type)) else {
        throw Diagnostic(
          .invalidOperand,
          "input '\(graph.values[id].name)' is \(graph.values[id].type), given is \(tensor.type)")
      }
      values[id] = tensor
    }
    for id in graph.constants { values[id] = graph.values[id].constant }
    for node in graph.order {
      let operands = graph.operands(of: node).map { $0.isNone ? nil : values[$0] }
      let computed = try evaluate(node, in: graph, operands)
      let contracted =
        inIntegers ? try integerContraction(node, in: graph, operands, like: computed) : nil
      let results = contracted ?? computed
      for (id, tensor) in zip(graph.results(of: node), results) { values[id] = tensor }
    }
    return values
  }

  /// The results of a quantized node by the evaluator of its kernels where one of them contracts integers, or nil.
  /// - Parameter computed: the node's results by rule Q, of the same types.
  private func integerContraction(
    _ node: NodeID, in graph: Graph, _ operands: [Tensor?], like computed: [Tensor]
  ) throws(Diagnostic) -> [Tensor]? {
    guard graph.results(of: node).allSatisfy({ graph.values[$0].quantization != nil }) else { return nil }
    var types: [ValueID: TensorType] = [:]
    for (id, tensor) in zip(graph.results(of: node), computed) { types[id] = tensor.type }
    var kernels = KernelGraph(name: graph.nodes[node].name)
    var buffers: [BufferID] = []
    var inputs: [BufferID: Tensor] = [:]
    for (id, tensor) in zip(graph.operands(of: node), operands) {
      guard !id.isNone, let tensor else {
        buffers.append(.none)
        continue
      }
      types[id] = tensor.type
      let buffer = kernels.input("", tensor.type)
      buffers.append(buffer)
      inputs[buffer] = tensor
    }
    let lowered: [BufferID]?
    do {
      let known = types
      lowered = try lower(
        node, in: graph,
        types: { (id) throws(Diagnostic) in
          guard let type = known[id] else { return try graph.values[id].type.requireConcrete() }
          return type
        }, buffers, into: &kernels)
    } catch {
      guard error.kind == .notLowered else { throw error }
      return nil
    }
    let contractsIntegers = kernels.nodes.ids.contains { id in
      guard let kernel = kernels.nodes[id].kernel, kernel.form == .contract else { return false }
      return kernel.accumulation == .integer
    }
    guard let lowered, contractsIntegers else { return nil }
    let values = try kernels.evaluate(inputs)
    return lowered.map { values[$0] }
  }
}
