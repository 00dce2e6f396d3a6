import GraphIR
import Support
import Tensors

/// How an operator takes part in an i8 graph. Operators that are not named here stay in f32; where one alone
/// stands between quantized ones, the pass `fuse-qdq` lets it read and give their stored numbers.
enum QuantizedRole: Equatable {
  /// Multiplies operands 0 and 1 and adds operand 2, which becomes i32.
  case contraction
  /// Computes on some operands with scales of their own and gives a result with its own.
  case arithmetic
  /// Passes elements on: operands and result share one scale.
  case move

  /// The operators, and which of their operands are quantized; nil is all.
  private static let table: [String: (role: QuantizedRole, operands: [Int]?)] = [
    "Conv": (.contraction, [0, 1]),
    "Gemm": (.contraction, [0, 1]),
    "MatMul": (.contraction, [0, 1]),
    "ConvTranspose": (.contraction, [0, 1]),
    "Add": (.arithmetic, nil),
    "Sub": (.arithmetic, nil),
    "Mul": (.arithmetic, nil),
    "Sum": (.arithmetic, nil),
    "Min": (.arithmetic, nil),
    "Max": (.arithmetic, nil),
    "Div": (.arithmetic, [0]),
    "Abs": (.arithmetic, [0]),
    "Neg": (.arithmetic, [0]),
    "Erf": (.arithmetic, [0]),
    "Elu": (.arithmetic, [0]),
    "Gelu": (.arithmetic, [0]),
    "HardSigmoid": (.arithmetic, [0]),
    "HardSwish": (.arithmetic, [0]),
    "LeakyRelu": (.arithmetic, [0]),
    "Softplus": (.arithmetic, [0]),
    "Relu": (.arithmetic, [0]),
    "Clip": (.arithmetic, [0]),
    "Sigmoid": (.arithmetic, [0]),
    "Swish": (.arithmetic, [0]),
    "Tanh": (.arithmetic, [0]),
    "BatchNormalization": (.arithmetic, [0]),
    "InstanceNormalization": (.arithmetic, [0]),
    "LayerNormalization": (.arithmetic, [0]),
    "RMSNormalization": (.arithmetic, [0]),
    "AveragePool": (.arithmetic, [0]),
    "GlobalAveragePool": (.arithmetic, [0]),
    "ReduceMean": (.arithmetic, [0]),
    "Softmax": (.arithmetic, [0]),
    "MaxPool": (.move, [0]),
    "GlobalMaxPool": (.move, [0]),
    "ReduceMax": (.move, [0]),
    "ReduceMin": (.move, [0]),
    "Concat": (.move, nil),
    "Reshape": (.move, [0]),
    "Flatten": (.move, [0]),
    "Squeeze": (.move, [0]),
    "Unsqueeze": (.move, [0]),
    "Transpose": (.move, [0]),
    "Slice": (.move, [0]),
    "Gather": (.move, [0]),
    "Expand": (.move, [0]),
    "Tile": (.move, [0]),
    "DepthToSpace": (.move, [0]),
    "Identity": (.move, [0]),
    "Resize": (.move, [0]),
    "Pad": (.move, [0]),
  ]

  /// The operators that can be quantized, in alphabetical order.
  static var operators: [String] { table.keys.sorted() }

  /// Of a node, with the positions of its quantized operands; nil where it stays in f32.
  static func of(_ id: NodeID, in graph: Graph) -> (role: QuantizedRole, operands: [Int])? {
    let node = graph.nodes[id]
    let (operands, results) = (graph.operands(of: id), graph.results(of: id))
    guard node.domain.isEmpty, node.regions.isEmpty, let entry = table[node.op], results.count == 1 else {
      return nil
    }
    let positions = entry.operands ?? Array(operands.indices)
    let isFloat = { (value: ValueID) in !value.isNone && graph.values[value].type.element == .f32 }
    guard positions.allSatisfy({ $0 < operands.count && isFloat(operands[$0]) }), isFloat(results[0]),
      positions.contains(where: { graph.constant(operands[$0]) == nil })
    else { return nil }
    switch node.op {
    case "Resize":
      // Interpolation computes; what a nearest element is needs no scale.
      let isNearest = node.attribute("mode").map { $0 == .string("nearest") } ?? true
      return (isNearest ? .move : .arithmetic, positions)
    case "Pad":
      let fill = operands.count > 2 ? graph.constant(operands[2]) : nil
      let isZero = fill.map { $0.doubleElements().allSatisfy { $0 == 0 } } ?? (operands.count < 3)
      return (isZero ? .move : .arithmetic, positions)
    case "Div":
      // A quantized divisor may be 0 where the real one is small.
      guard graph.constant(operands[1]) != nil else { return nil }
      return (.arithmetic, positions)
    case "Conv", "ConvTranspose", "Gemm":
      guard operands.count < 3 || operands[2].isNone || graph.constant(operands[2]) != nil else { return nil }
      return (.contraction, positions)
    default: return (entry.role, positions)
    }
  }
}

/// What is stored of a constant operand.
enum ConstantForm: Hashable {
  /// One scale per index of an axis, or one for all; zero point 0, numbers within ±127.
  case symmetric(axis: Int?)
  /// As activations.
  case asymmetric

  /// Of operand `position` of a node in the role. Weights have one scale per output channel where their
  /// operand is the second and the axis is one of the result.
  static func of(_ position: Int, of id: NodeID, _ role: QuantizedRole, in graph: Graph) -> ConstantForm {
    guard role == .contraction else { return .asymmetric }
    let node = graph.nodes[id]
    let rank = graph.values[graph.operands(of: id)[position]].type.rank
    guard position == 1 else { return .symmetric(axis: nil) }
    switch node.op {
    case "Conv": return .symmetric(axis: 0)
    case "ConvTranspose":
      let group = node.attribute("group") ?? .int(1)
      return .symmetric(axis: group == .int(1) ? 1 : nil)
    case "Gemm": return .symmetric(axis: node.attribute("transB") == .int(1) ? 0 : 1)
    default: return .symmetric(axis: rank < 2 ? nil : rank - 1)
    }
  }
}
