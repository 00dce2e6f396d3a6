import Furc

extension Pass {
  /// Conv, MaxPool, Relu becomes Conv, Relu, MaxPool, where the Conv can take the Relu in.
  ///
  /// No bit changes: max(max(a, b), 0) = max(max(a, 0), max(b, 0)) for all floats, NaN and -0 too, and every window
  /// holds an element. A quantized Conv then spans only what the Relu leaves of its results, in finer steps.
  static let hoistRelu = Pass(
    "hoist-relu", "moves a Relu from behind a MaxPool into the Conv before", run: hoist)
}

extension PassTable.Constraint {
  static let hoistReluFirst = PassTable.Constraint(
    "hoist-relu", before: "fuse-activation", "the Relu behind the Conv goes into it")
}

private func hoist(_ rewriter: inout Rewriter, _ operators: OperatorSet) throws(Diagnostic) {
  for relu in rewriter.graph.order {
    let graph = rewriter.graph
    guard try operators.instance(of: relu, in: graph) is Relu,
      let (pool, pooled) = graph.onlyProducer(of: graph.operands(of: relu)[0]),
      let window = try operators.instance(of: pool, in: graph) as? MaxPool, window.alwaysHoldsElements,
      let (conv, _) = graph.onlyProducer(of: graph.operands(of: pool)[0]),
      let convolution = try operators.instance(of: conv, in: graph) as? Conv, convolution.activation == .none
    else { continue }
    guard rewriter.startChange() else { return }
    // The nodes trade places: what the MaxPool gave is now what the Relu gives, and no value of the model.
    let operand = graph.operands(of: pool)[0]
    rewriter.redefine(pool, as: graph.nodes[relu], [operand])
    rewriter.setType(of: pooled, to: graph.values[operand].type)
    rewriter.setName(of: pooled, to: "")
    rewriter.redefine(relu, as: graph.nodes[pool], [pooled])
  }
}

extension Graph {
  /// The node that gives a real value, where one other node alone reads it.
  fileprivate func onlyProducer(of value: ValueID) -> (node: NodeID, value: ValueID)? {
    let node = definer(of: value)
    return node.isNone || useCount(of: value) != 1 || values[value].quantization != nil ? nil : (node, value)
  }
}

extension MaxPool {
  /// Whether no window lies in the padding alone, where the maximum is -∞ and not 0: its taps are consecutive, and
  /// fewer of them than it has fit into the padding at either end.
  fileprivate var alwaysHoldsElements: Bool {
    !ceilMode && dilations.allSatisfy { $0 == 1 }
      && pads.enumerated().allSatisfy { $1 < kernelShape[$0 % kernelShape.count] }
  }
}
