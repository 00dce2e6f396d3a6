import GraphIR
import Operators
import Support
import Tensors

/// Builds one graph: the model's, or a region of a node. A region resolves what it does not define in the
/// graph around it.
final class GraphImporter {
  let context: ImportContext
  private let parent: GraphImporter?
  var builder: GraphBuilder
  private var values: [String: ValueID] = [:]
  /// Results of nodes that could not be imported. What depends on them is not reported again.
  private var broken: Set<String> = []
  /// Of the graph around: what this region takes from there, in the order of its inputs.
  private(set) var captures: [ValueID] = []
  /// Results of nodes that follow from constants and shapes.
  private var known: [ValueID: Tensor] = [:]
  /// Types that the model states of values.
  private(set) var stated: [String: TypeMessage] = [:]

  init(_ context: ImportContext, name: String, parent: GraphImporter? = nil) {
    self.context = context
    self.parent = parent
    builder = GraphBuilder(name: name)
  }

  // MARK: Values

  func type(of value: ValueID) -> ValueType { builder.graph.values[value].type }

  func constant(of value: ValueID) -> Tensor? { builder.graph.constant(value) }

  /// The constant, or what is known of a result.
  func value(of value: ValueID) -> Tensor? { constant(of: value) ?? known[value] }

  func learn(_ value: ValueID, _ tensor: Tensor) { known[value] = tensor }

  func constant(_ tensor: Tensor, name: String = "") -> ValueID { builder.constant(tensor, name: name) }

  enum Resolution {
    case value(ValueID)
    /// It belongs to a node that was reported.
    case broken
    case undefined
  }

  func resolve(_ name: String) -> Resolution {
    if name.isEmpty { return .value(.none) }
    if let value = values[name] { return .value(value) }
    if broken.contains(name) { return .broken }
    guard let parent else { return .undefined }
    guard case .value(let outer) = parent.resolve(name) else { return parent.resolve(name) }
    let value: ValueID
    if let tensor = parent.constant(of: outer) {
      value = builder.constant(tensor, name: name)
    } else {
      value = builder.input(name, parent.type(of: outer))
      if let tensor = parent.value(of: outer) { learn(value, tensor) }
      captures.append(outer)
    }
    values[name] = value
    return .value(value)
  }

  func define(_ name: String, _ value: ValueID) {
    if !name.isEmpty { values[name] = value }
  }

  // MARK: Graphs

  /// - Parameter inputTypes: of a region's inputs, where the operator knows them; used where the region
  ///   itself does not state them.
  /// - Returns: nil after reporting what is wrong.
  func graph(_ message: GraphMessage, inputTypes: [ValueType] = []) -> Graph? {
    guard checkNames(message) else { return nil }
    let order: NodeOrder
    do { order = try NodeOrder(message) } catch {
      context.report(error)
      return nil
    }
    for info in message.valueInfos + message.outputs { stated[info.name] = info.type }
    leaves(message, inputTypes)
    for position in order.positions { node(message.nodes[position]) }
    var outputs: [ValueID] = []
    for output in message.outputs {
      switch resolve(output.name) {
      case .value(let value) where !value.isNone: outputs.append(value)
      case .broken: break
      default: context.report(Diagnostic(.invalidModel, "nothing defines the output '\(output.name)'"))
      }
    }
    guard outputs.count == message.outputs.count else { return nil }
    if parent == nil { for output in message.outputs { checkOutput(output) } }
    return builder.finish(returning: outputs)
  }

  /// Every value has one definition. An input that is also an initializer is that initializer.
  private func checkNames(_ message: GraphMessage) -> Bool {
    let count = context.errors.count
    var inputs: Set<String> = []
    var defined: Set<String> = []
    for input in message.inputs where !inputs.insert(input.name).inserted || input.name.isEmpty {
      context.report(Diagnostic(.invalidModel, "the graph's input '\(input.name)' repeats or has no name"))
    }
    let names =
      message.initializers.map(\.name) + message.sparseInitializers.map { $0.values?.name ?? "" }
    for name in names where !defined.insert(name).inserted || name.isEmpty {
      context.report(Diagnostic(.invalidModel, "the initializer '\(name)' repeats or has no name"))
    }
    defined.formUnion(inputs)
    for node in message.nodes {
      for output in node.outputs where !output.isEmpty && !defined.insert(output).inserted {
        context.report(
          Diagnostic(.invalidModel, "the result '\(output)' is already defined"), at: node.location)
      }
    }
    return context.errors.count == count
  }

  private func leaves(_ message: GraphMessage, _ inputTypes: [ValueType]) {
    let constants = Set(
      message.initializers.map(\.name) + message.sparseInitializers.compactMap { $0.values?.name })
    for (index, input) in message.inputs.enumerated() where !constants.contains(input.name) {
      let known = index < inputTypes.count ? inputTypes[index] : nil
      do throws(Diagnostic) {
        guard let type = try context.type(input.type, of: input.name) ?? known else {
          throw Diagnostic(.unsupportedModel, "the input '\(input.name)' has no stated type and rank")
        }
        let own = parent == nil ? context.bound(type, of: input.name) : type
        define(input.name, builder.input(input.name, own))
      } catch {
        context.report(error)
        broken.insert(input.name)
      }
    }
    for initializer in message.initializers {
      leaf(initializer.name) { decoder throws(Diagnostic) in try decoder.tensor(initializer) }
    }
    for initializer in message.sparseInitializers {
      leaf(initializer.values?.name ?? "") { decoder throws(Diagnostic) in try decoder.tensor(initializer) }
    }
  }

  private func leaf(
    _ name: String, _ tensor: (inout TensorDecoder) throws(Diagnostic) -> Tensor
  ) {
    do throws(Diagnostic) {
      define(name, builder.constant(try tensor(&context.decoder), name: name))
    } catch {
      context.report(error)
      broken.insert(name)
    }
  }

  private func checkOutput(_ output: ValueInfoMessage) {
    guard case .value(let value) = resolve(output.name),
      let type = try? context.type(output.type, of: output.name)
    else { return }
    let found = self.type(of: value)
    let agrees =
      found.element == type.element && found.rank == type.rank
      && zip(found.shape, type.shape).allSatisfy { $0.extent == nil || $1.extent == nil || $0 == $1 }
    if !agrees {
      context.warn(
        .statedType, "output '\(output.name)' is \(found), the model states \(type), which is ignored")
    }
  }

  // MARK: Nodes

  private func node(_ message: NodeMessage) {
    let place = message.location
    var operands: [ValueID] = []
    var isBroken = false
    for input in message.inputs {
      switch resolve(input) {
      case .value(let value): operands.append(value)
      case .broken: isBroken = true
      case .undefined:
        isBroken = true
        context.report(Diagnostic(.invalidModel, "nothing defines the operand '\(input)'"), at: place)
      }
    }
    if !isBroken {
      do throws(Diagnostic) {
        if try importNode(message, operands) { return }
      } catch { context.report(error, at: place) }
    }
    broken.formUnion(message.outputs)
  }

  /// - Returns: false if what is wrong was reported.
  private func importNode(_ message: NodeMessage, _ operands: [ValueID]) throws(Diagnostic) -> Bool {
    if message.op == "Constant", Domain.canonical(message.domain).isEmpty {
      let tensor = try constantTensor(message)
      for output in message.outputs { define(output, builder.constant(tensor, name: output)) }
      return true
    }
    var pending = PendingNode(message, operands, version: try version(of: message))
    for attribute in message.attributes {
      if case .graph(let graph) = attribute.value {
        pending.graphs.append((attribute.name, graph))
      } else if let value = try value(of: attribute) {
        pending.attributes.append(Attribute(attribute.name, value))
      }
    }
    try Upgrade.apply(to: &pending, self)
    return try emit(pending)
  }

  private func version(of message: NodeMessage) throws(Diagnostic) -> Int64 {
    let domain = Domain.canonical(message.domain)
    guard let version = message.version ?? context.opsets[domain] else {
      throw Diagnostic(.invalidModel, "the model imports no version of the domain '\(domain)'")
    }
    return version
  }

  /// - Returns: nil for an attribute without a value.
  private func value(of attribute: AttributeMessage) throws(Diagnostic) -> Attribute.Value? {
    switch attribute.value {
    case .none: return nil
    case .float(let value): return .float(value)
    case .int(let value): return .int(value)
    case .string(let bytes): return .string(String(decoding: bytes, as: UTF8.self))
    case .tensor(let message): return .tensor(try context.decoder.tensor(message))
    case .floats(let values): return .floats(values)
    case .ints(let values): return .ints(values)
    case .strings(let strings): return .strings(strings.map { String(decoding: $0, as: UTF8.self) })
    case .sparseTensor(let message): return .tensor(try context.decoder.tensor(message))
    case .graph, .graphs, .tensors:
      throw Diagnostic(.unsupportedModel, "attribute '\(attribute.name)' is a list of graphs or tensors")
    case .other(let what):
      throw Diagnostic(.unsupportedModel, "attribute '\(attribute.name)' has \(what)")
    case .reference(let name):
      throw Diagnostic(
        .invalidModel, "attribute '\(attribute.name)' refers to '\(name)' of a function, outside of one")
    }
  }

  private func constantTensor(_ message: NodeMessage) throws(Diagnostic) -> Tensor {
    guard message.attributes.count == 1, let attribute = message.attributes.first,
      let value = try value(of: attribute)
    else { throw Diagnostic(.invalidModel, "a Constant has one attribute, its value") }
    switch (attribute.name, value) {
    case ("value", .tensor(let tensor)), ("sparse_value", .tensor(let tensor)): return tensor
    case ("value_float", .float(let value)): return try Tensor(TensorType(.f32, []), [value])
    case ("value_floats", .floats(let values)): return try Tensor(TensorType(.f32, [values.count]), values)
    case ("value_int", .int(let value)): return try Tensor(TensorType(.i64, []), [value])
    case ("value_ints", .ints(let values)): return try Tensor(TensorType(.i64, [values.count]), values)
    case ("value_string", _), ("value_strings", _):
      throw Diagnostic(.unsupportedModel, "constants of strings are not supported")
    default:
      throw Diagnostic(.invalidAttribute, "a Constant has no attribute '\(attribute.name)' of this type")
    }
  }
}
