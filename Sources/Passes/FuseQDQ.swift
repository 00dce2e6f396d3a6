import GraphIR
import Operators
import Support
import Tensors

extension Pass {
  public static let fuseQDQ = Pass(
    "fuse-qdq", "turns nodes between DequantizeLinear and QuantizeLinear into nodes on quantized values",
    run: fuse)
}

/// From QDQ to the canonical quantized form: a node whose f32 operands come from DequantizeLinear (or are
/// constants that it does not multiply) and whose result goes to QuantizeLinear alone reads and gives stored
/// values that carry their quantization. Unsigned values become signed, biases i32 with the product of the
/// scales. Conversions stay where float and quantized parts meet.
private func fuse(_ rewriter: inout Rewriter, _ operators: OperatorSet) throws(Diagnostic) {
  for node in rewriter.graph.order {
    guard let plan = try QDQPlan(node, rewriter.graph, operators) else { continue }
    guard rewriter.startChange() else { return }
    try rewriter.apply(plan)
  }
  for node in rewriter.graph.order where rewriter.graph.nodes[node].op == "QuantizeLinear" {
    guard let source = rewriter.graph.sourceOfReturn(node) else { continue }
    guard rewriter.startChange() else { return }
    rewriter.replaceUses(of: rewriter.graph.results(of: node)[0], by: source)
    rewriter.erase(node)
  }
}

/// What makes a node a quantized one.
struct QDQPlan {
  enum Operand {
    case asIs(ValueID)
    /// The operand 0 of this DequantizeLinear.
    case stored(NodeID)
    /// A constant to quantize like the sum: its real values.
    case bias(ValueID, [Double], shape: [Int])
  }

  let node: NodeID
  private(set) var operands: [Operand] = []
  /// The QuantizeLinear nodes that read the result, all alike.
  let quantizers: [NodeID]
  let result: Quantization
  let element: ElementType

  /// Operators of ONNX's own domain whose operands 0 and 1 are multiplied and whose operand 2 is added.
  static let contractions: Set<String> = ["Conv", "Gemm", "MatMul"]
  /// Operators on which rule Q is not defined.
  private static let excluded: Set<String> = ["Shape", "Cast", "QuantizeLinear", "DequantizeLinear"]

  /// Nil where the node is not between conversions.
  init?(_ id: NodeID, _ graph: Graph, _ operators: OperatorSet) throws(Diagnostic) {
    let node = graph.nodes[id]
    let results = graph.results(of: id)
    guard !Self.excluded.contains(node.op), node.regions.isEmpty, results.count == 1,
      graph.values[results[0]].type.element == .f32, !graph.outputs.contains(results[0])
    else { return nil }
    quantizers = graph.users(of: results[0])
    let readings = quantizers.map { graph.conversion($0, "QuantizeLinear") }
    guard let first = readings.first, let reading = first, reading.quantization.axis == nil,
      readings.allSatisfy({ $0 == reading })
    else { return nil }
    self.node = id
    result = reading.quantization
    element = reading.element
    for (index, value) in graph.operands(of: id).enumerated() {
      guard let operand = Self.operand(value, index, node, graph, graph.definer(of: value))
      else { return nil }
      operands.append(operand)
    }
    let hasStored = operands.contains { if case .stored = $0 { true } else { false } }
    guard hasStored else { return nil }
  }

  private static func operand(
    _ value: ValueID, _ index: Int, _ node: Node, _ graph: Graph, _ definer: NodeID
  ) -> Operand? {
    guard !value.isNone, graph.values[value].type.element == .f32 else { return .asIs(value) }
    let isContraction = node.domain.isEmpty && contractions.contains(node.op)
    let constant = graph.constant(value)
    let reading = definer.isNone ? nil : graph.conversion(definer, "DequantizeLinear")
    if isContraction, index == 2 {
      if let constant { return .bias(value, constant.doubleElements(), shape: constant.shape) }
      guard let reading, let stored = graph.constant(graph.operands(of: definer)[0]) else { return nil }
      let quantization = reading.quantization
      let real = stored.doubleElements().enumerated().map { position, number in
        let channel = quantization.scale.count == 1 ? 0 : position % quantization.scale.count
        return (number - Double(quantization.zeroPoint[channel])) * Double(quantization.scale[channel])
      }
      return .bias(value, real, shape: stored.shape)
    }
    if constant != nil { return isContraction ? nil : .asIs(value) }
    return reading == nil ? nil : .stored(definer)
  }
}

/// What a QuantizeLinear or DequantizeLinear states.
struct Conversion: Equatable {
  let quantization: Quantization
  let element: ElementType
}

extension Graph {
  /// Of a node `op` with constant operands and an f32 side, or nil.
  func conversion(_ id: NodeID, _ op: String) -> Conversion? {
    let node = nodes[id]
    guard node.op == op, node.domain.isEmpty else { return nil }
    let operands = operands(of: id)
    let stored = op == "QuantizeLinear" ? results(of: id)[0] : operands[0]
    let real = op == "QuantizeLinear" ? operands[0] : results(of: id)[0]
    let hasZero = operands.count > 2 && !operands[2].isNone
    guard values[real].type.element == .f32, let scale = constant(operands[1]), scale.element == .f32,
      !hasZero || constant(operands[2]) != nil
    else { return nil }
    var axis = 1
    if case .int(let value)? = node.attribute("axis") { axis = Int(value) }
    let quantization = try? Quantization(
      scale: scale, zeroPoint: hasZero ? constant(operands[2]) : nil, rank: values[stored].type.rank,
      axis: axis)
    guard let quantization, quantization.fault(on: values[stored].type) == nil else { return nil }
    return Conversion(quantization: quantization, element: values[stored].type.element)
  }

  /// What a QuantizeLinear gives back: the stored value, alike in everything, that its operand came from.
  func sourceOfReturn(_ node: NodeID) -> ValueID? {
    let result = results(of: node)[0]
    let definer = definer(of: operands(of: node)[0])
    guard let target = conversion(node, "QuantizeLinear"), !definer.isNone,
      conversion(definer, "DequantizeLinear") == target, !outputs.contains(result),
      target.quantization.returnsStored(target.element)
    else { return nil }
    let source = operands(of: definer)[0]
    return values[source].quantization == values[result].quantization ? source : nil
  }
}

extension Quantization {
  /// Whether quantizing dequantized numbers gives them back.
  fileprivate func returnsStored(_ element: ElementType) -> Bool {
    guard element.integerRange != nil, element.size <= 2 else { return false }
    return scale.allSatisfy { $0 >= .leastNormalMagnitude && ($0 * 0x1p17).isFinite }
  }
}
