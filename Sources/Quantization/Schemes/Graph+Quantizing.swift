import GraphIR
import Operators
import Passes
import Support
import Synchronization
import Tensors

extension Graph {
  /// The graph in QDQ form: each node that the scheme quantizes reads DequantizeLinear results and gives its
  /// result to a QuantizeLinear. Inputs and outputs keep their types and names. An inner value's name goes to
  /// the stored numbers; that of an output stays on the real ones, and the stored are `<name>_quantized`,
  /// like those of an f32 value that some node reads quantized. Biases become i32 with the product of the
  /// scales. What the graph already quantizes or dequantizes itself stays as it is. The pass `fuse-qdq` makes
  /// the canonical form of it.
  /// - Parameter scheme: a node that it does not keep is quantized where it has entries for all values that the node
  ///   computes on. Entries of values that are not there say nothing, unless none is.
  /// - Throws: `invalidOperand` for an entry that does not fit its value, for a kept node that is not there, and for a
  ///   scheme of another model.
  public func quantized(
    by scheme: Scheme, _ operators: OperatorSet = .standard
  ) throws(Diagnostic) -> Graph {
    try quantized(by: scheme, operators, sharing: StoredConstants())
  }

  /// - Parameter constants: those that other quantizations of the same graph made.
  func quantized(
    by scheme: Scheme, _ operators: OperatorSet, sharing constants: StoredConstants
  ) throws(Diagnostic) -> Graph {
    let corrected = try self.corrected(by: scheme, operators)
    var insertion = try QDQInsertion(corrected, scheme, operators, constants)
    try insertion.checkEntries()
    for node in corrected.order { try insertion.add(node) }
    return insertion.finish()
  }

  /// The float graph with equalized channels and corrected biases: what the entries of the scheme are about.
  public func corrected(
    by scheme: Scheme, _ operators: OperatorSet = .standard
  ) throws(Diagnostic) -> Graph {
    // What stays in f32 loses nothing that a correction could give back.
    let corrections = scheme.corrections.filter { !scheme.kept.contains($0.node) }
    guard !scheme.equalizations.isEmpty || !corrections.isEmpty else { return self }
    var graph = self
    // Weights that the model stores as integers keep their numbers, unless they must be scaled.
    let scaling: [Pass] =
      scheme.equalizations.isEmpty ? [] : [.dequantizeConstants, .scaleChannels(scheme.equalizations)]
    let passes = PassTable(scaling + [.correctBiases(corrections), .eliminateDeadNodes])
    var options = PassManager.Options()
    options.verifiesEach = false
    _ = try PassManager(passes, operators, options).run(on: &graph)
    return graph
  }
}

extension Graph {
  /// - Throws: `invalidOperand` for a name that no node has.
  func nodes(named names: [String]) throws(Diagnostic) -> Set<NodeID> {
    let keys = NodeKeys(self)
    var found: Set<NodeID> = []
    for name in names {
      guard let node = keys.node(name) else {
        throw Diagnostic(
          .invalidOperand, "no node '\(name)' is there to keep",
          help: "passes may have merged it into another; `furc opt --text` shows the nodes")
      }
      found.insert(node)
    }
    return found
  }
}

/// Constants as they are stored, so that quantizing a graph again does not round all weights again.
final class StoredConstants: Sendable {
  private struct Key: Hashable {
    let storage: ObjectIdentifier
    let offset: Int
    let quantization: Quantization
  }

  private struct Entry {
    /// Keeps the key's identity from being that of other bytes.
    let real: Tensor
    let stored: Tensor
  }

  private let entries = Mutex<[Key: Entry]>([:])

  func stored(_ real: Tensor, _ quantization: Quantization) throws(Diagnostic) -> Tensor {
    let key = Key(storage: ObjectIdentifier(real.storage), offset: real.offset, quantization: quantization)
    if let known = entries.withLock({ $0[key] }), known.real.type == real.type { return known.stored }
    let stored = try real.stored(quantization)
    entries.withLock { $0[key] = Entry(real: real, stored: stored) }
    return stored
  }
}

private struct QDQInsertion {
  private let constants: StoredConstants
  private let scheme: Scheme
  private let graph: Graph
  private let operators: OperatorSet
  private let groups: ScaleGroups
  private var entries = SideTable<ValueID, Scheme.Entry?>(default: nil)
  private var builder: GraphBuilder
  /// In the new graph: the f32 (or other) value as it was, and what is dequantized of its stored numbers.
  private var plain = SideTable<ValueID, ValueID>(default: .none)
  private var dequantized = SideTable<ValueID, ValueID>(default: .none)

  init(
    _ graph: Graph, _ scheme: Scheme, _ operators: OperatorSet, _ constants: StoredConstants
  ) throws(Diagnostic) {
    self.constants = constants
    self.scheme = scheme
    self.graph = graph
    self.operators = operators
    groups = ScaleGroups(graph, keeping: try graph.nodes(named: scheme.kept))
    builder = GraphBuilder(name: graph.name)
    let keys = ValueKeys(graph)
    for id in graph.values.ids { entries[id] = scheme[keys[id]] }
    for id in graph.inputs {
      let value = graph.values[id]
      plain[id] = builder.input(value.name, value.type, quantization: value.quantization)
    }
  }

  func checkEntries() throws(Diagnostic) {
    guard scheme.entries.isEmpty || graph.values.ids.contains(where: { entries[$0] != nil }) else {
      throw Diagnostic(
        .invalidOperand, "none of the \(scheme.entries.count) values of the scheme is in the model",
        help: "is it the scheme of another model?")
    }
    for id in graph.values.ids {
      guard let entry = entries[id] else { continue }
      let value = graph.values[id]
      let fault = entry.quantization.fault(on: ValueType(entry.element, value.type.shape))
      guard value.type.element == .f32, value.quantization == nil, fault == nil, entry.element == .i8 else {
        throw Diagnostic(
          .invalidOperand,
          "the scheme makes '\(entry.name)', which is \(value.type), \(entry.element.rawValue)"
            + (fault.map { ": \($0)" } ?? ""),
          help: "quantized are f32 values, to i8")
      }
    }
  }

  mutating func finish() -> Graph {
    let outputs = graph.outputs.map { real($0) }
    return builder.finish(returning: outputs)
  }

  // MARK: nodes

  mutating func add(_ id: NodeID) throws(Diagnostic) {
    let node = graph.nodes[id]
    let results = graph.results(of: id)
    guard let quantized = quantization(of: id) else {
      let operands = graph.operands(of: id).map { $0.isNone ? $0 : real($0) }
      let new = builder.node(node, operands, results: results.map { graph.values[$0] })
      for (old, new) in zip(results, new) { plain[old] = new }
      return
    }
    var operands: [ValueID] = []
    for (position, value) in graph.operands(of: id).enumerated() {
      if value.isNone {
        operands.append(value)
      } else if quantized.operands.contains(position) {
        operands.append(try quantizedOperand(value, of: id))
      } else if quantized.role == .contraction, position == 2 {
        operands.append(try bias(value, of: id))
      } else {
        operands.append(real(value))
      }
    }
    let value = graph.values[results[0]]
    if let entry = entries[results[0]] {
      let sum = builder.node(node, operands, ValueType(.f32, value.type.shape))
      let isOutput = graph.outputs.contains(results[0])
      let stored = isOutput ? Self.storedName(value.name) : value.name
      try convert(
        results[0], sum, entry, sources: node.sources, stored: stored, real: isOutput ? value.name : "")
    } else {
      plain[results[0]] = builder.node(node, operands, results: [value])[0]
    }
  }

  /// The role of a node all of whose values have entries, or nil.
  private func quantization(of id: NodeID) -> QuantizedNode? {
    guard let found = groups.role(of: id), groups.isWorthwhile(groups.root(graph.results(of: id)[0])) else {
      return nil
    }
    let operands = graph.operands(of: id)
    let isReady = { (value: ValueID) in entries[value] != nil || groups.isSettled[value] }
    guard found.operands.allSatisfy({ isReady(operands[$0]) }), isReady(graph.results(of: id)[0]) else {
      return nil
    }
    for position in found.operands {
      guard graph.constant(operands[position]) != nil, let entry = entries[operands[position]] else {
        continue
      }
      let form = ConstantForm.of(position, of: id, found.role, in: graph)
      let axis = entry.quantization.axis
      guard axis == nil || form == .symmetric(axis: axis) else { return nil }
      let isSymmetric = entry.quantization.zeroPoint.allSatisfy { $0 == 0 }
      guard form == .asymmetric || isSymmetric else { return nil }
    }
    return found
  }

  // MARK: values

  /// The value with its own type: what was dequantized where its stored numbers are all there is.
  private mutating func real(_ value: ValueID) -> ValueID {
    if !plain[value].isNone { return plain[value] }
    guard let constant = graph.constant(value) else { return dequantized[value] }
    plain[value] = builder.constant(
      constant, name: graph.values[value].name, quantization: graph.values[value].quantization)
    return plain[value]
  }

  /// What is dequantized of the value's stored numbers, which are made where they are first needed.
  private mutating func quantizedOperand(
    _ value: ValueID, of user: NodeID
  ) throws(Diagnostic) -> ValueID {
    if !dequantized[value].isNone { return dequantized[value] }
    guard let entry = entries[value] else { return real(value) }
    let sources = graph.nodes[user].sources
    let name = graph.values[value].name
    if let constant = graph.constant(value) {
      let stored = try constants.stored(constant, entry.quantization)
      let id = builder.constant(stored, name: name)
      dequantized[value] = try dequantize(id, entry.quantization, .i8, constant.shape, sources: sources)
    } else {
      let stored = Self.storedName(name)
      try convert(value, real(value), entry, sources: sources, stored: stored, real: "")
    }
    return dequantized[value]
  }

  private static func storedName(_ name: String) -> String { name.isEmpty ? "" : "\(name)_quantized" }

  /// QuantizeLinear and DequantizeLinear of a real value.
  private mutating func convert(
    _ value: ValueID, _ real: ValueID, _ entry: Scheme.Entry, sources: [Int], stored: String,
    real name: String
  ) throws(Diagnostic) {
    let type = graph.values[value].type
    let operands = [real] + (try parameters(entry.quantization, entry.element))
    let result = Value(name: stored, ValueType(entry.element, type.shape))
    let numbers = builder.node(
      Node("QuantizeLinear", Self.axis(entry.quantization), sources: sources), operands, results: [result])[0]
    let back = builder.node(
      Node("DequantizeLinear", Self.axis(entry.quantization), sources: sources),
      [numbers] + operands.dropFirst(), results: [Value(name: name, ValueType(.f32, type.shape))])
    dequantized[value] = back[0]
  }

  private mutating func dequantize(
    _ stored: ValueID, _ quantization: Quantization, _ element: ElementType, _ shape: [Int], sources: [Int],
    name: String = ""
  ) throws(Diagnostic) -> ValueID {
    builder.node(
      Node("DequantizeLinear", Self.axis(quantization), sources: sources),
      [stored] + (try parameters(quantization, element)),
      results: [Value(name: name, ValueType(TensorType(.f32, shape)))])[0]
  }

  /// Scale and zero point as operands.
  private mutating func parameters(
    _ quantization: Quantization, _ element: ElementType
  ) throws(Diagnostic) -> [ValueID] {
    let shape = quantization.axis == nil ? [] : [quantization.scale.count]
    let scale = try Tensor(TensorType(.f32, shape), quantization.scale)
    let zero = try Tensor(TensorType(.i32, shape), quantization.zeroPoint).converted(to: element)
    return [builder.constant(scale), builder.constant(zero)]
  }

  private static func axis(_ quantization: Quantization) -> [Attribute] {
    guard let axis = quantization.axis, axis != 1 else { return [] }
    return [Attribute("axis", .int(Int64(axis)))]
  }

  // MARK: biases

  /// i32 in units of the product of the scales of x and w; f32 as it was where such a unit does not exist.
  private mutating func bias(_ value: ValueID, of id: NodeID) throws(Diagnostic) -> ValueID {
    let operands = graph.operands(of: id)
    let node = graph.nodes[id]
    guard let constant = graph.constant(value), let x = entries[operands[0]], let w = entries[operands[1]],
      node.attribute("alpha") == nil, node.attribute("beta") == nil
    else { return real(value) }
    let scales = w.quantization.scale.map { Double(x.quantization.scale[0]) * Double($0) }
    var shape = constant.shape
    var numbers = constant.doubleElements()
    if scales.count > 1, numbers.count == 1 {
      numbers = scales.map { _ in numbers[0] }
      shape = [scales.count]
    }
    let isPerChannel = scales.count > 1
    guard !isPerChannel || (shape.last == scales.count && numbers.count == scales.count) else {
      return real(value)
    }
    let units = numbers.enumerated().map { ($1 / scales[isPerChannel ? $0 : 0]).rounded(.toNearestOrEven) }
    guard units.allSatisfy({ $0.magnitude < 0x1p31 }) else { return real(value) }
    let quantization = Quantization(
      scale: scales.map { Float($0) }, zeroPoint: scales.map { _ in 0 },
      axis: isPerChannel ? shape.count - 1 : nil)
    let stored = try Tensor(TensorType(.i32, shape), units.map { Int32($0) })
    guard quantization.fault(on: ValueType(stored.type)) == nil else { return real(value) }
    // The pass that fuses makes the bias anew from what is dequantized, and takes its name.
    let name = graph.values[value].name
    let constantID = builder.constant(stored, name: Self.storedName(name))
    return try dequantize(constantID, quantization, .i32, shape, sources: node.sources, name: name)
  }
}
