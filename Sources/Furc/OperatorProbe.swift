import GraphIR
import Operators
import Support
import Tensors

/// A small application of an operator, to ask the deciding code about. Operators know which operands they allow,
/// so that a probe need not fit: of many, the first that inference takes is used.
struct OperatorProbe {
  enum Operand {
    /// Of the probed type, of any value or constant.
    case data([Int])
    case weights([Int])
    /// Of a type of its own.
    case integers([Int])
    case scalar(Int)
    case indices([Int])
    case floats([Float], [Int])
    case condition([Int])
    case stored([Int])
    case zero
    case absent
  }

  private static let image = [2, 4, 6, 6]

  /// Plain forms first; what comes later suits fewer operators.
  static let all: [[Operand]] = [
    [.data(image), .weights([4, 4, 3, 3])],
    [.data(image), .weights([4]), .weights([4]), .weights([4]), .weights([4])],
    [.data(image), .weights([4]), .weights([4])],
    [.data([3, 6]), .weights([6, 8])],
    [.data(image), .absent, .floats([1, 1, 2, 2], [4])],
    [.data(image), .integers([0, 0, 1, 1, 0, 0, 1, 1])],
    [.data(image), .integers([1]), .integers([3]), .integers([2])],
    [.data(image), .integers([2, 4, 36])],
    [.data([1, 4, 6, 1]), .integers([1, 1, 1, 2])],
    [.data([1, 4, 6, 1]), .integers([1, 4, 6, 6])],
    [.data([1, 4, 6, 1]), .integers([0])],
    [.data(image), .integers([2])],
    [.data(image), .indices([2])],
    [.condition(image), .data(image), .data(image)],
    [.data(image), .floats([0.5], []), .zero],
    [.data(image), .floats([0.5], [])],
    [.data(image), .data(image)],
    [.data(image), .data(image), .data(image)],
    [.data(image)],
    [.data([3, 6]), .weights([6])],
    [.data([3, 1, 4]), .weights([1, 8, 4]), .weights([1, 8, 2])],
    [.stored([3, 6]), .stored([6, 8])],
    [.stored(image), .stored([4, 4, 3, 3])],
    [.stored(image), .floats([0.5], []), .zero],
    [.indices([2]), .scalar(4), .data([2])],
    [.data([]), .data([]), .data([])],
    [.scalar(0), .scalar(6), .scalar(2)],
    [.integers([2, 3])],
    [.condition(image)],
    [.condition(image), .condition(image)],
  ]

  /// Values for attributes that have no usable default, tried where an operator has all of them.
  static let attributes: [[Attribute]] = [
    [], [Attribute("axis", .int(1))], [Attribute("num_outputs", .int(2))],
    [Attribute("hidden_size", .int(2))], [Attribute("blocksize", .int(2))],
    [Attribute("kernel_shape", .ints([2, 2]))], [Attribute("mode", .string("linear"))],
    [Attribute("to", .int(1))],
  ]

  /// The operator alone in a graph, of `element`; nil where it does not take that. With `quantization`, operands
  /// and results that are f32 are stored so.
  static func graph(
    _ op: any Operator.Type, _ operands: [Operand], _ attributes: [Attribute], _ element: ElementType,
    _ operators: OperatorSet, stored quantization: Quantization? = nil
  ) -> Graph? {
    let node = Node(op.schema.name, domain: op.schema.domain, name: "probe", attributes, sources: [0])
    guard op.schema.operands.contains(operands.count),
      let tensors = try? operands.map({ try $0.value(element) })
    else { return nil }
    // What has types of its own says nothing about others.
    guard operands.contains(where: \.isFree) || tensors.first??.type.element == element else { return nil }
    let known = tensors.map { $0.map { OperandType(ValueType($0.type), constant: $0.constant) } }
    guard let types = try? operators.infer(node, known), !types.isEmpty else { return nil }
    let isStored = quantization != nil && !op.schema.isConversion
    var builder = GraphBuilder(name: "probe")
    let ids = tensors.enumerated().map { index, operand -> ValueID in
      guard let operand else { return .none }
      let stores = isStored && operand.type.element == .f32 && operand.isData
      let type = stores ? TensorType(.i8, operand.type.shape) : operand.type
      if let constant = operand.constant {
        let tensor = stores ? try? Tensor(type) : constant
        return builder.constant(tensor ?? constant, quantization: stores ? quantization : nil)
      }
      return builder.input("x\(index)", ValueType(type), quantization: stores ? quantization : nil)
    }
    let count = min(types.count, max(op.schema.results.lowerBound, types.count))
    let results = types.prefix(count).enumerated().map { index, type in
      isStored && type.element == .f32
        ? Value(name: "y\(index)", ValueType(.i8, type.shape), quantization: quantization)
        : Value(name: "y\(index)", type)
    }
    let outputs = builder.node(node, ids, results: results)
    return builder.finish(returning: outputs)
  }
}

extension OperatorProbe.Operand {
  struct Probe {
    let type: TensorType
    let constant: Tensor?
    /// Whether quantizing a graph stores it.
    var isData = false
  }

  /// Whether it has the probed type.
  fileprivate var isFree: Bool {
    switch self {
    case .data, .weights: true
    default: false
    }
  }

  fileprivate func value(_ element: ElementType) throws(Diagnostic) -> Probe? {
    switch self {
    case .data(let shape): return Probe(type: TensorType(element, shape), constant: nil, isData: true)
    case .weights(let shape):
      let type = TensorType(element, shape)
      return Probe(type: type, constant: try Tensor(type), isData: shape.count > 1)
    case .integers(let values):
      let type = TensorType(.i64, [values.count])
      return Probe(type: type, constant: try Tensor(type, values.map { Int64($0) }))
    case .scalar(let value):
      let type = TensorType(.i64, [])
      return Probe(type: type, constant: try Tensor(type, [Int64(value)]))
    case .indices(let shape): return Probe(type: TensorType(.i64, shape), constant: nil)
    case .floats(let values, let shape):
      let type = TensorType(.f32, shape)
      return Probe(type: type, constant: try Tensor(type, values))
    case .condition(let shape): return Probe(type: TensorType(.bool, shape), constant: nil)
    case .stored(let shape): return Probe(type: TensorType(.i8, shape), constant: nil)
    case .zero:
      let type = TensorType(.i8, [])
      return Probe(type: type, constant: try Tensor(type))
    case .absent: return nil
    }
  }
}
