import Support
import Tensors

/// What a compiled model does, step by step, over named buffers: the section `outline` of a container.
///
/// ```
/// program "digits" precision int8 weights resident
/// buffer "image": f32[1,1,8,8]
/// input "image" = "image"
/// output "probabilities" = "probabilities"
/// step conversion 0 ["image"] to ["image.q"]
/// step device 0 ["image.q"] to ["scores"]
/// step host 1 ["scores"] to ["probabilities"]
/// host_node "Softmax" "probs" because "…"
/// ```
public struct ProgramOutline: Hashable, Sendable {
  public struct Buffer: Hashable, Sendable {
    public var name: String
    public var type: TensorType

    public init(name: String, type: TensorType) {
      self.name = name
      self.type = type
    }
  }

  /// An input or output of the model, and the buffer that holds it.
  public struct Port: Hashable, Sendable {
    public var name: String
    public var buffer: String

    public init(name: String, buffer: String) {
      self.name = name
      self.buffer = buffer
    }
  }

  public struct Step: Hashable, Sendable {
    public enum Kind: String, CaseIterable, Sendable {
      /// Quantizes inputs or dequantizes outputs on the host.
      case conversion
      case device
      /// Nodes that the target refused.
      case host
    }

    public var kind: Kind
    /// Which section: `device.<payload>`, or `graph.<payload>` for the other two.
    public var payload: Int
    public var inputs: [String]
    public var outputs: [String]

    public init(_ kind: Kind, payload: Int, inputs: [String], outputs: [String]) {
      self.kind = kind
      self.payload = payload
      self.inputs = inputs
      self.outputs = outputs
    }
  }

  public struct HostNode: Hashable, Sendable {
    public var op: String
    public var node: String
    public var reason: String

    public init(op: String, node: String, reason: String) {
      self.op = op
      self.node = node
      self.reason = reason
    }
  }

  public var name: String
  public var precision: String
  public var weights: String
  public var buffers: [Buffer] = []
  public var inputs: [Port] = []
  public var outputs: [Port] = []
  public var steps: [Step] = []
  public var hostNodes: [HostNode] = []

  public init(name: String, precision: String, weights: String) {
    self.name = name
    self.precision = precision
    self.weights = weights
  }

  public func type(of buffer: String) -> TensorType? { buffers.first { $0.name == buffer }?.type }
}

extension ProgramOutline {
  /// - Throws: `malformedContainer` where a step or port names a buffer that is unknown or not yet there.
  public func verified() throws(Diagnostic) {
    let names = Set(buffers.map(\.name))
    guard names.count == buffers.count else { throw Self.malformed("a buffer is there twice") }
    var defined: Set<String> = []
    for port in inputs {
      guard names.contains(port.buffer), defined.insert(port.buffer).inserted else {
        throw Self.malformed("input '\(port.name)' has no buffer of its own")
      }
    }
    for (index, step) in steps.enumerated() {
      guard step.payload >= 0, step.inputs.allSatisfy(defined.contains) else {
        throw Self.malformed("step \(index) reads what no step before it wrote")
      }
      for output in step.outputs {
        guard names.contains(output), defined.insert(output).inserted else {
          throw Self.malformed("step \(index) writes '\(output)', which is unknown or written before")
        }
      }
    }
    guard outputs.allSatisfy({ defined.contains($0.buffer) }) else {
      throw Self.malformed("an output is not written")
    }
  }

  private static func malformed(_ message: String) -> Diagnostic {
    Diagnostic(.malformedContainer, "the outline of the program is wrong: \(message)")
  }
}

/// A name in quotes.
private struct Quoted: TextForm {
  let text: String
  init(_ text: String) { self.text = text }
  init(parsing text: inout TextReader) throws(Diagnostic) { self.text = try text.quoted() }
  func write(to out: inout TextWriter) { out.quoted(text) }
}

extension ProgramOutline: TextForm {
  public func write(to out: inout TextWriter) {
    out.write("program ")
    out.quoted(name)
    out.write(" precision \(precision) weights \(weights)\n")
    for buffer in buffers {
      out.write("buffer ")
      out.quoted(buffer.name)
      out.write(": ")
      out.write(buffer.type)
      out.write("\n")
    }
    for (word, ports) in [("input", inputs), ("output", outputs)] {
      for port in ports {
        out.write("\(word) ")
        out.quoted(port.name)
        out.write(" = ")
        out.quoted(port.buffer)
        out.write("\n")
      }
    }
    for step in steps {
      out.write("step \(step.kind.rawValue) \(step.payload) [")
      out.list(step.inputs.map(Quoted.init))
      out.write("] to [")
      out.list(step.outputs.map(Quoted.init))
      out.write("]\n")
    }
    for node in hostNodes {
      out.write("host_node ")
      out.quoted(node.op)
      out.write(" ")
      out.quoted(node.node)
      out.write(" because ")
      out.quoted(node.reason)
      out.write("\n")
    }
  }

  public init(parsing text: inout TextReader) throws(Diagnostic) {
    try text.expect("program")
    let name = try text.quoted()
    try text.expect("precision")
    let precision = try text.word()
    try text.expect("weights")
    self.init(name: name, precision: precision, weights: try text.word())
    while !text.isAtEnd {
      if text.accept("buffer") {
        let name = try text.quoted()
        try text.expect(":")
        buffers.append(Buffer(name: name, type: try TensorType(parsing: &text)))
      } else if text.accept("input") {
        inputs.append(try Self.port(&text))
      } else if text.accept("output") {
        outputs.append(try Self.port(&text))
      } else if text.accept("step") {
        steps.append(try Self.step(&text))
      } else {
        try text.expect("host_node")
        let (op, node) = (try text.quoted(), try text.quoted())
        try text.expect("because")
        hostNodes.append(HostNode(op: op, node: node, reason: try text.quoted()))
      }
    }
  }

  private static func port(_ text: inout TextReader) throws(Diagnostic) -> Port {
    let name = try text.quoted()
    try text.expect("=")
    return Port(name: name, buffer: try text.quoted())
  }

  private static func step(_ text: inout TextReader) throws(Diagnostic) -> Step {
    let start = text
    guard let kind = Step.Kind(rawValue: try text.word()) else { throw start.expected("a kind of step") }
    let payload: Int = try text.integer()
    try text.expect("[")
    let inputs = try text.list(until: "]", of: Quoted.self).map(\.text)
    try text.expect("to")
    try text.expect("[")
    let outputs = try text.list(until: "]", of: Quoted.self).map(\.text)
    return Step(kind, payload: payload, inputs: inputs, outputs: outputs)
  }
}
