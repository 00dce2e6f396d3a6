import Support
import Tensors

/// Buffers in the order of their numbers, each with what defines it:
///
///     kernels "net" {
///       $0 "x": i8[1,4] = input
///       $1 "w": i8[2,4] = constant [1, 2, 3, 4, 5, 6, 7, 8]
///       $2: i8[1,2] = node "fc" from [0, 1] ($0, $1) contract i8 {
///         …
///       }
///       $3 "y": i8[2] = node "flatten" from [2] ($2) view
///       return $3
///     }
///
/// A constant of more than 64 elements is `#` and its digest.
extension KernelGraph: TextForm, CustomStringConvertible {
  /// The text spells out a constant of at most this many elements.
  public static let inlineLimit = 64

  public var description: String { text }

  public func write(to out: inout TextWriter) {
    var definitions = SideTable<BufferID, KernelID>(default: .none)
    for id in nodes.ids where buffers.contains(nodes[id].result) { definitions[nodes[id].result] = id }
    out.write("kernels ")
    out.quoted(name)
    out.write(" {\n")
    for id in buffers.ids {
      let buffer = buffers[id]
      out.write("  ")
      out.write(id)
      if !buffer.name.isEmpty {
        out.write(" ")
        out.quoted(buffer.name)
      }
      out.write(": ")
      out.write(buffer.type)
      out.write(" = ")
      switch buffer.definition {
      case .input: out.write("input")
      case .constant(let tensor):
        out.write("constant ")
        if tensor.count > Self.inlineLimit {
          out.write("#" + tensor.digest)
        } else {
          tensor.write(to: &out)
        }
      case .result:
        if nodes.contains(definitions[id]) {
          write(nodes[definitions[id]], to: &out)
        } else {
          out.write("undefined")
        }
      }
      out.write("\n")
    }
    out.write("  return ")
    out.list(outputs)
    out.write("\n}\n")
  }

  private func write(_ node: KernelNode, to out: inout TextWriter) {
    out.write("node ")
    out.quoted(node.name)
    if !node.sources.isEmpty {
      out.write(" from [")
      out.list(node.sources)
      out.write("]")
    }
    out.write(" (")
    out.list(node.operands)
    out.write(") ")
    switch node.body {
    case .kernel(let kernel): kernel.write(to: &out, indent: "  ")
    case .view: out.write("view")
    }
  }

  /// - Throws: `syntax`, also for a constant that the text only names.
  public init(parsing text: inout TextReader) throws(Diagnostic) {
    try self.init(parsing: &text) { _ in nil }
  }

  /// - Parameter constants: the tensor of a digest, in lower-case hexadecimal.
  public init(text: String, constants: (String) -> Tensor?) throws(Diagnostic) {
    var reader = TextReader(text)
    do {
      try self.init(parsing: &reader, constants: constants)
    } catch {
      throw error.located(at: reader.location)
    }
    guard reader.isAtEnd else { throw reader.expected("end of text") }
  }

  public init(parsing text: inout TextReader, constants: (String) -> Tensor?) throws(Diagnostic) {
    try text.expect("kernels")
    self.init(name: try text.quoted())
    try text.expect("{")
    while !text.accept("return") { try append(parsing: &text, constants) }
    if !text.accept("}") { outputs = try text.list(until: "}") }
  }

  private mutating func append(
    parsing text: inout TextReader, _ constants: (String) -> Tensor?
  ) throws(Diagnostic) {
    let start = text
    let id = try BufferID(parsing: &text)
    guard id.index == buffers.count else { throw start.expected("the definition of $\(buffers.count)") }
    let name = text.accept(":") ? "" : try text.quoted()
    if !name.isEmpty { try text.expect(":") }
    let type = try TensorType(parsing: &text)
    try text.expect("=")
    let definition: Buffer.Definition
    if text.accept("input") {
      definition = .input
    } else if text.accept("constant") {
      definition = .constant(try Self.constant(type, parsing: &text, constants))
    } else {
      definition = .result
      if !text.accept("undefined") { nodes.append(try Self.node(defining: id, parsing: &text)) }
    }
    buffers.append(Buffer(name: name, type: type, definition: definition))
  }

  private static func constant(
    _ type: TensorType, parsing text: inout TextReader, _ constants: (String) -> Tensor?
  ) throws(Diagnostic) -> Tensor {
    let start = text
    guard text.accept("#") else { return try Tensor(type, parsing: &text) }
    let digest = try text.word()
    guard let tensor = constants(digest), tensor.type == type else {
      throw start.expected("the digest of a constant \(type) that lies beside the text")
    }
    return tensor
  }

  private static func node(
    defining result: BufferID, parsing text: inout TextReader
  ) throws(Diagnostic) -> KernelNode {
    try text.expect("node")
    let name = try text.quoted()
    var sources: [Int] = []
    if text.accept("from") {
      try text.expect("[")
      sources = try text.list(until: "]")
    }
    try text.expect("(")
    let operands: [BufferID] = try text.list(until: ")")
    let body: KernelNode.Body = text.accept("view") ? .view : .kernel(try Kernel(parsing: &text))
    return KernelNode(name: name, sources: sources, body: body, operands: operands, result: result)
  }

  /// The constants that the text form only names, by digest.
  public var namedConstants: [String: Tensor] {
    var named: [String: Tensor] = [:]
    for id in buffers.ids {
      if let tensor = buffers[id].constant, tensor.count > Self.inlineLimit {
        named[tensor.digest] = tensor
      }
    }
    return named
  }
}
