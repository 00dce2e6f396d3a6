import GraphIR
import KernelIR
import Machine
import Operators
import Support
import Tensors

/// Which operator runs where on which element types, found by asking inference, lowering and the targets'
/// refusals about small applications of each.
public struct OperatorTable: Sendable {
  /// What is known of one operator.
  public struct Row: Sendable {
    /// The operator.
    public let name: String
    /// Empty is ONNX's own.
    public let domain: String
    /// The opset versions whose forms import reads.
    public let since: [Int]
    /// The element types that evaluation takes, of the first operand whose type is free.
    public let evaluated: [ElementType]
    /// Those among them that have kernels, and the forms of these; `view` where no element moves.
    public let kernels: [(element: ElementType, forms: [String])]
    /// In the order of `targets`.
    public let places: [Place]
  }

  /// Where a target runs an operator.
  public struct Place: Sendable {
    /// `int8` (quantized) and `f32`, as far as the device takes an operator on them, or the types of their own of
    /// operators that f32 is nothing to; empty means the host alone.
    public let device: [String]
    /// Why the device does not take it on the first type that is missing.
    public let reason: String?
  }

  /// Their names, in the order given.
  public let targets: [String]
  /// By domain and name.
  public let rows: [Row]

  private static let elements: [ElementType] = [
    .f32, .f16, .bf16, .f64, .i8, .u8, .i16, .u16, .i32, .u32, .i64, .u64, .bool,
  ]
  private static let forms = ["contract", "map", "reduce", "move", "gather", "scatter", "view"]

  /// Asks about every operator: seconds for all of them.
  public init(_ operators: OperatorSet, on targets: [TargetDescription]) {
    self.targets = targets.map(\.name)
    let sorted = operators.all.sorted {
      ($0.schema.domain, $0.schema.name) < ($1.schema.domain, $1.schema.name)
    }
    rows = sorted.map { Self.row($0, operators, targets.map(\.machine)) }
  }

  private static func row(
    _ op: any Operator.Type, _ operators: OperatorSet, _ machines: [SliceMachine]
  ) -> Row {
    let names = op.names
    let attributes = OperatorProbe.attributes.filter { $0.allSatisfy { names.contains($0.name) } }
    let probes = OperatorProbe.all.flatMap { operands in attributes.map { (operands, $0) } }
    var evaluated: [ElementType] = []
    var kernels: [(element: ElementType, forms: [String])] = []
    for element in elements {
      var best: [String]?
      for (operands, attributes) in probes {
        guard let graph = OperatorProbe.graph(op, operands, attributes, element, operators) else { continue }
        if evaluated.last != element { evaluated.append(element) }
        best = Self.forms(graph, operators)
        if best != nil { break }
      }
      if let best { kernels.append((element, best)) }
    }
    let places = machines.map { machine in place(op, evaluated, probes, operators, machine) }
    return Row(
      name: op.schema.name, domain: op.schema.domain, since: op.schema.since, evaluated: evaluated,
      kernels: kernels, places: places)
  }

  /// The forms of the kernels in the order of their definition, or nil without a lowering.
  private static func forms(_ graph: Graph, _ operators: OperatorSet) -> [String]? {
    guard let kernels = try? operators.lower(graph) else { return nil }
    let used = Set(kernels.nodes.ids.map { kernels.nodes[$0].kernel?.form.word ?? "view" })
    return forms.filter(used.contains)
  }

  private static func place(
    _ op: any Operator.Type, _ evaluated: [ElementType],
    _ probes: [([OperatorProbe.Operand], [Attribute])], _ operators: OperatorSet, _ machine: SliceMachine
  ) -> Place {
    var stores: [(name: String, element: ElementType, quantization: Quantization?)] = [
      ("int8", .f32, Quantization(scale: 0.5)), ("f32", .f32, nil),
    ]
    if !evaluated.contains(.f32) { stores = evaluated.map { ($0.rawValue, $0, nil) } }
    var device: [String] = []
    var reason: String?
    for (name, element, quantization) in stores {
      var refusal: String?
      var isTaken = false
      for (operands, attributes) in probes where !isTaken {
        guard
          let graph = OperatorProbe.graph(
            op, operands, attributes, element, operators, stored: quantization),
          let node = graph.order.first
        else { continue }
        if name == "int8", !graph.isQuantized { continue }
        let found = Partition.refusal(of: node, in: graph, on: machine, operators)
        isTaken = found == nil
        refusal = refusal ?? found
      }
      if isTaken { device.append(name) } else { reason = reason ?? refusal }
    }
    return Place(device: device, reason: reason)
  }
}

extension Operator {
  /// The names of all attributes.
  fileprivate static var names: Set<String> { Set(fields.map(\.name)) }
}

extension Kernel.Form {
  /// Its name in tables and reports.
  var word: String {
    switch self {
    case .contract: "contract"
    case .map: "map"
    case .reduce: "reduce"
    case .move: "move"
    case .gather: "gather"
    case .scatter: "scatter"
    }
  }
}
