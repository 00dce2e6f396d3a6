import GraphIR
import Support
import Tensors

/// Writes one graph as a GraphProto.
struct GraphExporter {
  private let graph: Graph
  /// The names of a region's inputs that stand for values around it.
  private let outer: [ValueID: String]
  private var names = SideTable<ValueID, String>(default: "")
  /// Names in use, of the graphs around included.
  private var taken: Set<String>
  private var writer = MessageWriter()

  init(_ graph: Graph, outer: [ValueID: String], taken: Set<String>) {
    self.graph = graph
    self.outer = outer
    self.taken = taken
    nameValues()
  }

  /// Inputs and outputs keep their names, others as far as they are unique.
  private mutating func nameValues() {
    for (id, name) in outer { names[id] = name }
    let interface = graph.inputs + graph.outputs
    for id in interface + graph.values.ids where names[id].isEmpty {
      let wanted = graph.values[id].name
      var name = wanted.isEmpty ? "v\(id.rawValue)" : wanted
      var count = 0
      while !taken.insert(name).inserted {
        count += 1
        name = "\(wanted.isEmpty ? "v" : wanted)_\(id.rawValue)" + (count > 1 ? "_\(count)" : "")
      }
      names[id] = name
    }
  }

  mutating func message() throws(Diagnostic) -> [UInt8] {
    for id in graph.values.ids where graph.values[id].quantization != nil {
      throw Diagnostic(
        .unsupportedModel, "value \(id) carries its quantization, which ONNX writes as Q and DQ nodes")
    }
    for id in graph.order { try node(id) }
    writer.text(2, graph.name.isEmpty ? "graph" : graph.name)
    for id in graph.constants {
      guard let tensor = graph.values[id].constant else { continue }
      writer.bytes(5, Self.tensor(tensor, name: names[id]))
    }
    for id in graph.inputs where outer[id] == nil { valueInfo(11, names[id], graph.values[id].type) }
    var written: Set<String> = []
    for id in graph.outputs {
      // An output is the result of a node, and each has a name of its own.
      var name = names[id]
      let isLeaf = graph.values[id].definition != .result
      if isLeaf || !written.insert(name).inserted {
        name = unusedName(name)
        written.insert(name)
        identity(from: names[id], to: name)
      }
      valueInfo(12, name, graph.values[id].type)
    }
    return writer.bytes
  }

  private mutating func unusedName(_ name: String) -> String {
    var count = 1
    while !taken.insert("\(name)_out\(count)").inserted { count += 1 }
    return "\(name)_out\(count)"
  }

  private mutating func identity(from operand: String, to result: String) {
    writer.message(1) { node in
      node.text(1, operand)
      node.text(2, result)
      node.text(4, "Identity")
    }
  }

  private mutating func valueInfo(_ field: UInt64, _ name: String, _ type: ValueType) {
    writer.message(field) { info in
      info.text(1, name)
      info.message(2) { value in
        value.message(1) { tensor in
          tensor.varint(1, Int64(DataType.code(type.element)))
          tensor.message(2) { shape in
            for dimension in type.shape {
              shape.message(1) { item in
                switch dimension {
                case .fixed(let extent): item.varint(1, Int64(extent))
                case .symbol(""): break
                case .symbol(let name): item.text(2, name)
                }
              }
            }
          }
        }
      }
    }
  }

  // MARK: Nodes

  private mutating func node(_ id: NodeID) throws(Diagnostic) {
    let node = graph.nodes[id]
    let operands = graph.operands(of: id)
    let captures = try captures(of: id)
    let own = operands.dropLast(captures.reduce(0) { $0 + $1.count })
    var regions: [[UInt8]] = []
    for (region, captured) in zip(node.regions, captures) {
      var outer: [ValueID: String] = [:]
      for (input, value) in zip(region.inputs.suffix(captured.count), captured) {
        outer[input] = names[value]
      }
      var exporter = GraphExporter(region, outer: outer, taken: taken)
      regions.append(try exporter.message())
    }
    let results = graph.results(of: id).map { names[$0] }
    let operandNames = own.map { $0.isNone ? "" : names[$0] }
    let regionNames = ["then_branch", "else_branch"]
    writer.message(1) { message in
      for name in operandNames { message.text(1, name) }
      for name in results { message.text(2, name) }
      message.text(3, node.name)
      message.text(4, node.op)
      if !node.domain.isEmpty { message.text(7, node.domain) }
      for attribute in node.attributes { Self.attribute(attribute, &message) }
      for (name, region) in zip(regionNames, regions) {
        message.message(5) { attribute in
          attribute.text(1, name)
          attribute.varint(20, 5)
          attribute.bytes(6, region)
        }
      }
    }
  }

  /// The operands that are what each region takes from around the node: for an If, whose branches have no
  /// inputs of their own, all of their inputs.
  private func captures(of id: NodeID) throws(Diagnostic) -> [ArraySlice<ValueID>] {
    let node = graph.nodes[id]
    guard !node.regions.isEmpty else { return [] }
    guard node.op == "If" else {
      throw Diagnostic(
        .unsupportedModel, at: graph.location(of: id), "the regions of \(node.op) are not exported")
    }
    let counts = node.regions.map(\.inputs.count)
    guard counts.reduce(0, +) <= graph.operands(of: id).count else {
      throw Diagnostic(.invalidGraph, at: graph.location(of: id), "regions have more inputs than operands")
    }
    var rest = graph.operands(of: id).suffix(counts.reduce(0, +))
    return counts.map { count in
      let taken = rest.prefix(count)
      rest = rest.dropFirst(count)
      return taken
    }
  }

  private static func attribute(_ attribute: Attribute, _ node: inout MessageWriter) {
    node.message(5) { message in
      message.text(1, attribute.name)
      switch attribute.value {
      case .float(let value):
        message.float(2, value)
        message.varint(20, 1)
      case .int(let value):
        message.varint(3, value)
        message.varint(20, 2)
      case .string(let value):
        message.text(4, value)
        message.varint(20, 3)
      case .tensor(let value):
        message.bytes(5, tensor(value, name: ""))
        message.varint(20, 4)
      case .floats(let values):
        for value in values { message.float(7, value) }
        message.varint(20, 6)
      case .ints(let values):
        for value in values { message.varint(8, value) }
        message.varint(20, 7)
      case .strings(let values):
        for value in values { message.text(9, value) }
        message.varint(20, 8)
      }
    }
  }

  private static func tensor(_ tensor: Tensor, name: String) -> [UInt8] {
    var message = MessageWriter()
    for extent in tensor.shape { message.varint(1, Int64(extent)) }
    message.varint(2, Int64(DataType.code(tensor.element)))
    if !name.isEmpty { message.text(8, name) }
    tensor.withBytes { bytes in
      guard tensor.element == .i4 || tensor.element == .u4 else {
        message.bytes(9, bytes)
        return
      }
      // Two to a byte, the first in the low half.
      message.bytes(
        9,
        stride(from: 0, to: bytes.count, by: 2).map { index in
          (bytes[index] & 0xF) | (index + 1 < bytes.count ? bytes[index + 1] << 4 : 0)
        })
    }
    return message.bytes
  }
}
