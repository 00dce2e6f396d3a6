import Support
import Tensors

/// ```
/// graph "g" {
///   %0 "x": f32[n,2] = input
///   %1: i8[2] q(0.5, 3) = constant [1, -1]
///   %2: f32[?,2] = Gemm "fc" (%0, %1, %none) {alpha = 0.5, transB = 1} from [0, 4]
///   %3: f32[1], %4 "y": f32[n] = "com.example":Halves (%2) with (graph "body" { … })
///   return %4
/// }
/// ```
/// Any numbering is read; the canonical one (invariant G2) is printed. Each result states its own name, type
/// and quantization.
extension Graph: TextForm {
  public func write(to out: inout TextWriter) { write(to: &out, indent: "") }

  private func write(to out: inout TextWriter, indent: String) {
    out.write("graph ")
    out.quoted(name)
    out.write(" {\n")
    for id in leaves {
      out.write("\(indent)  ")
      write(results: [id], to: &out)
      if let tensor = values[id].constant {
        out.write("constant ")
        out.write(literal: tensor)
      } else {
        out.write("input")
      }
      out.write("\n")
    }
    for id in order {
      out.write("\(indent)  ")
      write(results: results(of: id), to: &out)
      write(node: id, to: &out, indent: indent)
      out.write("\n")
    }
    out.write("\(indent)  return ")
    out.list(outputs)
    out.write("\n\(indent)}\n")
  }

  private func write(results: [ValueID], to out: inout TextWriter) {
    out.list(results.map { ValueHead(id: $0, value: values[$0]) })
    out.write(" = ")
  }

  private func write(node id: NodeID, to out: inout TextWriter, indent: String) {
    let node = nodes[id]
    if !node.domain.isEmpty {
      out.quoted(node.domain)
      out.write(":")
    }
    out.bareOrQuoted(node.op, except: ["input", "constant"])
    out.write(" ")
    if !node.name.isEmpty {
      out.quoted(node.name)
      out.write(" ")
    }
    out.write("(")
    out.list(operands(of: id))
    out.write(")")
    for (index, attribute) in node.attributes.enumerated() {
      out.write(index == 0 ? " {" : ", ")
      attribute.write(to: &out)
    }
    if !node.attributes.isEmpty { out.write("}") }
    if !node.sources.isEmpty {
      out.write(" from [")
      out.list(node.sources)
      out.write("]")
    }
    for (index, region) in node.regions.enumerated() {
      out.write(index == 0 ? " with (" : "\(indent)  , ")
      region.write(to: &out, indent: "\(indent)  ")
    }
    if !node.regions.isEmpty { out.write("\(indent)  )") }
  }

  public init(parsing text: inout TextReader) throws(Diagnostic) {
    try self.init(parsing: &text, constants: ConstantPool())
  }

  /// - Parameter constants: what the digests in the text refer to.
  /// - Throws: `syntax` with its line, also when anything follows the graph.
  public init(text: String, constants: ConstantPool) throws(Diagnostic) {
    var reader = TextReader(text)
    do { try self.init(parsing: &reader, constants: constants) } catch {
      throw error.located(at: reader.location)
    }
    guard reader.isAtEnd else { throw reader.expected("end of text") }
  }

  public init(
    parsing text: inout TextReader, constants: ConstantPool, depth: Int = 0
  ) throws(Diagnostic) {
    guard depth < 64 else { throw text.expected("regions nested at most 64 deep") }
    try text.expect("graph")
    var parser = GraphParser(builder: GraphBuilder(name: try text.quoted()), constants: constants)
    try text.expect("{")
    while !text.accept("return") { try parser.definition(&text, depth: depth) }
    let place = text.location
    let outputs = try text.list(until: "}", of: ValueID.self)
    self = parser.builder.finish(returning: try parser.resolve(outputs, at: place))
  }
}

private struct GraphParser {
  var builder: GraphBuilder
  let constants: ConstantPool
  /// From the numbers in the text to the ids of the graph.
  var ids: [ValueID: ValueID] = [:]

  /// One line: an input, a constant or a node.
  mutating func definition(_ text: inout TextReader, depth: Int) throws(Diagnostic) {
    let place = text.location
    let results = try text.list(until: "=", of: ValueHead.self)
    guard let first = results.first else { throw text.expected("a result before '='") }
    let new: [ValueID]
    if text.accept("input") {
      let value = first.value
      new = [builder.input(value.name, value.type, quantization: value.quantization)]
    } else if text.accept("constant") {
      guard let type = first.value.type.concrete else { throw text.expected("a constant of fixed shape") }
      let tensor = try text.literal(of: type, constants: constants)
      new = [builder.constant(tensor, name: first.value.name, quantization: first.value.quantization)]
    } else {
      let (node, operands) = try node(&text, at: place, depth: depth)
      new = builder.node(node, operands, results: results.map(\.value))
    }
    guard new.count == results.count else { throw Diagnostic(.syntax, at: place, "a leaf is one value") }
    for (result, id) in zip(results, new) {
      guard !result.id.isNone, ids.updateValue(id, forKey: result.id) == nil else {
        throw Diagnostic(.syntax, at: place, "\(result.id) is defined twice or absent")
      }
    }
  }

  private func node(
    _ text: inout TextReader, at place: Diagnostic.Location, depth: Int
  ) throws(Diagnostic) -> (Node, [ValueID]) {
    var domain = ""
    var op = text.isAtQuote ? try text.quoted() : try text.word()
    if text.accept(":") {
      domain = op
      op = text.isAtQuote ? try text.quoted() : try text.word()
    }
    let name = text.isAtQuote ? try text.quoted() : ""
    try text.expect("(")
    let operands = try resolve(text.list(until: ")"), at: place)
    var attributes: [Attribute] = []
    if text.accept("{") {
      repeat { attributes.append(try Attribute(parsing: &text, constants: constants)) } while text.accept(",")
      try text.expect("}")
    }
    var sources: [Int] = []
    if text.accept("from") {
      try text.expect("[")
      sources = try text.list(until: "]")
    }
    var regions: [Graph] = []
    if text.accept("with") {
      try text.expect("(")
      repeat {
        regions.append(try Graph(parsing: &text, constants: constants, depth: depth + 1))
      } while text.accept(",")
      try text.expect(")")
    }
    return (
      Node(op, domain: domain, name: name, attributes, regions: regions, sources: sources), operands
    )
  }

  func resolve(_ values: [ValueID], at place: Diagnostic.Location) throws(Diagnostic) -> [ValueID] {
    var resolved: [ValueID] = []
    for value in values {
      guard let id = value.isNone ? value : ids[value] else {
        throw Diagnostic(.syntax, at: place, "\(value) is used before it is defined")
      }
      resolved.append(id)
    }
    return resolved
  }
}

/// `%2 "name": i8[1,2] q(0.5, 3)`
private struct ValueHead {
  let id: ValueID
  let value: Value
}

extension ValueHead: TextForm {
  func write(to out: inout TextWriter) {
    out.write(id)
    if !value.name.isEmpty {
      out.write(" ")
      out.quoted(value.name)
    }
    out.write(": ")
    out.write(value.type)
    if let quantization = value.quantization {
      out.write(" ")
      out.write(quantization)
    }
  }

  init(parsing text: inout TextReader) throws(Diagnostic) {
    id = try ValueID(parsing: &text)
    let name = text.isAtQuote ? try text.quoted() : ""
    try text.expect(":")
    let type = try ValueType(parsing: &text)
    var lookahead = text
    let isQuantized = lookahead.accept("q")
    value = Value(name: name, type, quantization: isQuantized ? try Quantization(parsing: &text) : nil)
  }
}
