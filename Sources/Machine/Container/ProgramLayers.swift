import Support

/// What is known of the kernels of device programs before any of them was mapped: the section `layers` of a
/// container. Programs run without it; reports say less.
///
/// ```
/// node 3 "Conv" "conv1"
/// device resident layer_cycles 4112 macs 1097664
/// term mac 34
/// kernel 0 contract macs 36864 mac 1 vector 8 port 12 issue 48
/// ```
public struct ProgramLayers: Hashable, Sendable {
  /// A node of the model, by the number that the kernel tables of programs use.
  public struct Node: Hashable, Sendable {
    public var index: Int
    public var op: String
    public var name: String

    public init(index: Int, op: String, name: String) {
      self.index = index
      self.op = op
      self.name = name
    }
  }

  /// A term of the lower bound, in cycles.
  public struct Term: Hashable, Sendable {
    public var name: String
    public var cycles: Int

    public init(name: String, cycles: Int) {
      self.name = name
      self.cycles = cycles
    }
  }

  /// An entry of a program's kernel table.
  public struct Kernel: Hashable, Sendable {
    public var index: Int
    /// As in the text form of kernels: `contract`, `map`, …
    public var form: String
    public var macs: Int
    /// Of the kernel as compiled, fused with what fusion gave it.
    public var bound: Bounds.Layer

    public init(index: Int, form: String, macs: Int, bound: Bounds.Layer) {
      self.index = index
      self.form = form
      self.macs = macs
      self.bound = bound
    }
  }

  /// A device program.
  public struct Device: Hashable, Sendable {
    /// Which the bounds are of.
    public var weights: Bounds.Weights
    /// A bound as long as kernels are not fused.
    public var layerCycles: Int
    /// Multiply-adds of the model, those with elements out of bounds included.
    public var macs: Int
    /// In the order of precedence among equals.
    public var terms: [Term] = []
    /// By ascending index.
    public var kernels: [Kernel] = []

    public init(weights: Bounds.Weights, layerCycles: Int, macs: Int) {
      self.weights = weights
      self.layerCycles = layerCycles
      self.macs = macs
    }

    /// The largest term; of equals the first.
    public var binding: Term? { terms.max { $0.cycles < $1.cycles } }

    public func kernel(_ index: Int) -> Kernel? { kernels.first { $0.index == index } }
  }

  /// By ascending index.
  public var nodes: [Node] = []
  /// In the order of the payloads.
  public var devices: [Device] = []

  public init() {}

  public func node(_ index: Int) -> Node? { nodes.first { $0.index == index } }
}

extension ProgramLayers {
  /// - Parameter kernels: the length of the kernel table of each device program.
  /// - Throws: `malformedContainer` where the section does not fit the programs.
  public func verified(kernels: [Int]) throws(Diagnostic) {
    guard devices.count == kernels.count else {
      throw Self.malformed("it has \(devices.count) device programs instead of \(kernels.count)")
    }
    guard Self.ascend(nodes.map(\.index)) else { throw Self.malformed("its nodes do not ascend") }
    for (device, count) in zip(devices, kernels) {
      let indices = device.kernels.map(\.index)
      guard Self.ascend(indices), indices.allSatisfy({ $0 < count }) else {
        throw Self.malformed("its kernels do not ascend within a table of \(count)")
      }
      let bounds = device.kernels.map(\.bound).flatMap { [$0.mac, $0.vector, $0.port, $0.issue] }
      let numbers = bounds + device.kernels.map(\.macs) + device.terms.map(\.cycles)
      guard (numbers + [device.layerCycles, device.macs]).allSatisfy({ (0..<1 << 60).contains($0) }) else {
        throw Self.malformed("a number is negative or above 2^60")
      }
    }
  }

  private static func ascend(_ indices: [Int]) -> Bool {
    (indices.first ?? 0) >= 0 && zip(indices, indices.dropFirst()).allSatisfy { $0 < $1 }
  }

  private static func malformed(_ message: String) -> Diagnostic {
    Diagnostic(.malformedContainer, "the section of layers is wrong: \(message)")
  }
}

extension ProgramLayers: TextForm {
  public func write(to out: inout TextWriter) {
    for node in nodes {
      out.write("node \(node.index) ")
      out.quoted(node.op)
      out.write(" ")
      out.quoted(node.name)
      out.write("\n")
    }
    for device in devices {
      out.write("device \(device.weights.rawValue) layer_cycles \(device.layerCycles) macs \(device.macs)\n")
      for term in device.terms { out.write("term \(term.name) \(term.cycles)\n") }
      for kernel in device.kernels {
        let bound = kernel.bound
        out.write("kernel \(kernel.index) \(kernel.form) macs \(kernel.macs) mac \(bound.mac) ")
        out.write("vector \(bound.vector) port \(bound.port) issue \(bound.issue)\n")
      }
    }
  }

  public init(parsing text: inout TextReader) throws(Diagnostic) {
    self.init()
    while text.accept("node") {
      let index: Int = try text.integer()
      let op = try text.quoted()
      nodes.append(Node(index: index, op: op, name: try text.quoted()))
    }
    while !text.isAtEnd { devices.append(try Device(parsing: &text)) }
  }
}

extension ProgramLayers.Device {
  fileprivate init(parsing text: inout TextReader) throws(Diagnostic) {
    try text.expect("device")
    let start = text
    guard let weights = Bounds.Weights(rawValue: try text.word()) else {
      throw start.expected("resident or streamed")
    }
    let layerCycles = try text.number(after: "layer_cycles")
    self.init(weights: weights, layerCycles: layerCycles, macs: try text.number(after: "macs"))
    while text.accept("term") {
      let name = try text.word()
      terms.append(ProgramLayers.Term(name: name, cycles: try text.integer()))
    }
    while text.accept("kernel") {
      let index: Int = try text.integer()
      let form = try text.word()
      let macs = try text.number(after: "macs")
      var bound = Bounds.Layer()
      bound.mac = try text.number(after: "mac")
      bound.vector = try text.number(after: "vector")
      bound.port = try text.number(after: "port")
      bound.issue = try text.number(after: "issue")
      kernels.append(ProgramLayers.Kernel(index: index, form: form, macs: macs, bound: bound))
    }
  }
}

extension TextReader {
  fileprivate mutating func number(after word: String) throws(Diagnostic) -> Int {
    try expect(word)
    return try integer()
  }
}
