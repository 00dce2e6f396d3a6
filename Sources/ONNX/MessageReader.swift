import CONNX
import Support
import Tensors

/// Reads a model's messages: the wire walk, then libprotobuf-c on the skeleton, then values of our own.
package struct MessageReader {
  private let bytes: UnsafeRawBufferPointer
  private let payloads: [Payload]

  /// - Throws: `malformedModel`, `importLimit`.
  package static func read(
    _ storage: Storage, budget: inout ImportBudget
  ) throws(Diagnostic) -> ModelMessage {
    let bytes = storage.bytes
    let walk = try WireWalk(bytes, budget: &budget)
    let unpacked = walk.skeleton.withUnsafeBufferPointer {
      connx_model_unpack($0.baseAddress, $0.count)
    }
    guard let unpacked else {
      throw Diagnostic(.malformedModel, "libprotobuf-c refuses the model's structure")
    }
    defer { connx_model_free(unpacked) }
    let reader = MessageReader(bytes: bytes, payloads: walk.payloads)
    let model = reader.model(unpacked.pointee)
    return withExtendedLifetime(storage) { model }
  }

  private func model(_ proto: Onnx__ModelProto) -> ModelMessage {
    ModelMessage(
      irVersion: proto.ir_version,
      producer: text(proto.producer_name),
      opsets: list(proto.n_opset_import, proto.opset_import, opset),
      graph: proto.graph.map { graph($0.pointee) },
      functions: list(proto.n_functions, proto.functions, function))
  }

  private func opset(_ proto: Onnx__OperatorSetIdProto) -> OpsetMessage {
    OpsetMessage(domain: text(proto.domain), version: proto.version)
  }

  private func graph(_ proto: Onnx__GraphProto) -> GraphMessage {
    var graph = GraphMessage(
      name: text(proto.name),
      nodes: list(proto.n_node, proto.node, node),
      initializers: list(proto.n_initializer, proto.initializer, tensor),
      sparseInitializers: list(proto.n_sparse_initializer, proto.sparse_initializer, sparseTensor),
      inputs: list(proto.n_input, proto.input, valueInfo),
      outputs: list(proto.n_output, proto.output, valueInfo),
      valueInfos: list(proto.n_value_info, proto.value_info, valueInfo))
    for index in graph.nodes.indices { graph.nodes[index].index = index }
    return graph
  }

  private func function(_ proto: Onnx__FunctionProto) -> FunctionMessage {
    var nodes = list(proto.n_node, proto.node, node)
    for index in nodes.indices { nodes[index].index = index }
    return FunctionMessage(
      name: text(proto.name), domain: text(proto.domain), overload: text(proto.overload),
      inputs: texts(proto.n_input, proto.input), outputs: texts(proto.n_output, proto.output),
      attributes: texts(proto.n_attribute, proto.attribute),
      defaults: list(proto.n_attribute_proto, proto.attribute_proto, attribute),
      opsets: list(proto.n_opset_import, proto.opset_import, opset), nodes: nodes)
  }

  private func node(_ proto: Onnx__NodeProto) -> NodeMessage {
    NodeMessage(
      name: text(proto.name), op: text(proto.op_type), domain: text(proto.domain),
      overload: text(proto.overload), inputs: texts(proto.n_input, proto.input),
      outputs: texts(proto.n_output, proto.output),
      attributes: list(proto.n_attribute, proto.attribute, attribute))
  }

  private func attribute(_ proto: Onnx__AttributeProto) -> AttributeMessage {
    let reference = text(proto.ref_attr_name)
    return AttributeMessage(
      name: text(proto.name), value: reference.isEmpty ? value(proto) : .reference(reference))
  }

  /// By the stated type; models of IR version 1 and 2 leave it out, then by what is there.
  private func value(_ proto: Onnx__AttributeProto) -> AttributeMessage.Value {
    switch proto.type {
    case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT: return .float(proto.f)
    case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT: return .int(proto.i)
    case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING: return .string(data(proto.s))
    case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__TENSOR:
      return proto.t.map { .tensor(tensor($0.pointee)) } ?? .none
    case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__GRAPH:
      return proto.g.map { .graph(graph($0.pointee)) } ?? .none
    case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOATS: return .floats(floats(proto))
    case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS: return .ints(ints(proto))
    case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRINGS: return .strings(strings(proto))
    case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__TENSORS:
      return .tensors(list(proto.n_tensors, proto.tensors, tensor))
    case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__GRAPHS:
      return .graphs(list(proto.n_graphs, proto.graphs, graph))
    case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__SPARSE_TENSOR:
      return proto.sparse_tensor.map { .sparseTensor(sparseTensor($0.pointee)) } ?? .none
    case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__UNDEFINED: return untyped(proto)
    default: return .other("attribute type \(proto.type.rawValue)")
    }
  }

  private func untyped(_ proto: Onnx__AttributeProto) -> AttributeMessage.Value {
    if proto.has_f != 0 { return .float(proto.f) }
    if proto.has_i != 0 { return .int(proto.i) }
    if proto.has_s != 0 { return .string(data(proto.s)) }
    if let t = proto.t { return .tensor(tensor(t.pointee)) }
    if let g = proto.g { return .graph(graph(g.pointee)) }
    if proto.n_floats > 0 { return .floats(floats(proto)) }
    if proto.n_ints > 0 { return .ints(ints(proto)) }
    if proto.n_strings > 0 { return .strings(strings(proto)) }
    return .none
  }

  private func tensor(_ proto: Onnx__TensorProto) -> TensorMessage {
    var index: Int?
    if proto.has_raw_data != 0, let data = proto.raw_data.data, proto.raw_data.len == 4 {
      index = Int(UnsafeRawPointer(data).loadUnaligned(as: UInt32.self).littleEndian)
    }
    let isExternal = proto.data_location == ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL
    let entries = list(proto.n_external_data, proto.external_data) { entry in
      (key: text(entry.key), value: text(entry.value))
    }
    return TensorMessage(
      name: text(proto.name), type: proto.data_type,
      dims: Array(UnsafeBufferPointer(start: proto.dims, count: proto.n_dims)),
      payload: index.map { payloads[$0] }, external: isExternal ? entries : nil,
      isSegment: proto.segment != nil)
  }

  private func sparseTensor(_ proto: Onnx__SparseTensorProto) -> SparseTensorMessage {
    SparseTensorMessage(
      values: proto.values.map { tensor($0.pointee) }, indices: proto.indices.map { tensor($0.pointee) },
      dims: Array(UnsafeBufferPointer(start: proto.dims, count: proto.n_dims)))
  }

  private func valueInfo(_ proto: Onnx__ValueInfoProto) -> ValueInfoMessage {
    ValueInfoMessage(name: text(proto.name), type: proto.type.flatMap { type($0.pointee) })
  }

  private func type(_ proto: Onnx__TypeProto) -> TypeMessage? {
    switch proto.value_case {
    case ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE:
      guard let tensor = proto.tensor_type?.pointee else { return nil }
      let shape = tensor.shape.map { list($0.pointee.n_dim, $0.pointee.dim, dimension) }
      return .tensor(tensor.elem_type, shape: shape)
    case ONNX__TYPE_PROTO__VALUE_SEQUENCE_TYPE: return .other("sequence")
    case ONNX__TYPE_PROTO__VALUE_MAP_TYPE: return .other("map")
    case ONNX__TYPE_PROTO__VALUE_OPTIONAL_TYPE: return .other("optional")
    case ONNX__TYPE_PROTO__VALUE_SPARSE_TENSOR_TYPE: return .other("sparse tensor")
    case ONNX__TYPE_PROTO__VALUE_OPAQUE_TYPE: return .other("opaque")
    default: return nil
    }
  }

  private func dimension(_ proto: Onnx__TensorShapeProto__Dimension) -> DimensionMessage {
    switch proto.value_case {
    case ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE: return .fixed(proto.dim_value)
    case ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM:
      let name = text(proto.dim_param)
      return name.isEmpty ? .unknown : .named(name)
    default: return .unknown
    }
  }

  // MARK: Lists

  private func ints(_ proto: Onnx__AttributeProto) -> [Int64] {
    guard proto.n_ints > 0, let index = proto.ints?.pointee else { return [] }
    return numbers(Int(index), field: 8) { Int64(bitPattern: $0) }
  }

  private func floats(_ proto: Onnx__AttributeProto) -> [Float] {
    guard proto.n_floats > 0, let index = proto.floats?.pointee.bitPattern else { return [] }
    return numbers(Int(index), field: 7) { Float(bitPattern: UInt32(truncatingIfNeeded: $0)) }
  }

  private func numbers<Number>(_ payload: Int, field: UInt64, _ number: (UInt64) -> Number) -> [Number] {
    guard let list = payloads[payload].lists.first(where: { $0.field == field }) else { return [] }
    var numbers: [Number] = []
    numbers.reserveCapacity(list.count)
    list.forEach(in: bytes) { numbers.append(number($0)) }
    return numbers
  }

  private func strings(_ proto: Onnx__AttributeProto) -> [[UInt8]] {
    UnsafeBufferPointer(start: proto.strings, count: proto.n_strings).map(data)
  }

  private func list<Proto, Message>(
    _ count: Int, _ items: UnsafeMutablePointer<UnsafeMutablePointer<Proto>?>?,
    _ message: (Proto) -> Message
  ) -> [Message] {
    var messages: [Message] = []
    messages.reserveCapacity(count)
    for case let item? in UnsafeBufferPointer(start: items, count: count) {
      messages.append(message(item.pointee))
    }
    return messages
  }

  private func texts(_ count: Int, _ items: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?) -> [String] {
    UnsafeBufferPointer(start: items, count: count).map { text($0) }
  }

  private func text(_ text: UnsafeMutablePointer<CChar>?) -> String { text.map { String(cString: $0) } ?? "" }

  private func data(_ data: ProtobufCBinaryData) -> [UInt8] {
    Array(UnsafeBufferPointer(start: data.data, count: data.len))
  }
}
