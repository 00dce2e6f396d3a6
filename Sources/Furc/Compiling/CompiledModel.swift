import GraphIR
import Machine
import NPUISA
import Support
import TargetFiles
import Tensors

/// A compiled model: what a `.fur` holds.
public struct CompiledModel: Sendable {
  /// The steps and the buffers between them.
  public let outline: ProgramOutline
  /// The machine that it was compiled for.
  public let target: TargetDescription
  /// The payloads of the device steps.
  public let devices: [NPUProgram]
  /// The payloads of conversions and host steps.
  public let graphs: [Graph]
  /// What reports know of the kernels; nil in a file that was written without it.
  public let layers: ProgramLayers?

  init(
    outline: ProgramOutline, target: TargetDescription, devices: [NPUProgram], graphs: [Graph],
    layers: ProgramLayers?
  ) {
    self.outline = outline
    self.target = target
    self.devices = devices
    self.graphs = graphs
    self.layers = layers
  }

  /// The file. Equal models, targets and options give equal bytes.
  public func encoded() throws(Diagnostic) -> [UInt8] {
    var sections = [
      Container.Section("outline", Array(outline.text.utf8)), Container.Section("target", target.yaml),
    ]
    if let layers { sections.append(Container.Section("layers", Array(layers.text.utf8))) }
    for (index, program) in devices.enumerated() {
      sections.append(Container.Section("device.\(index)", program.encoded()))
    }
    for (index, graph) in graphs.enumerated() {
      sections.append(Container.Section("graph.\(index)", Array(graph.text.utf8)))
    }
    var written: Set<String> = []
    for tensor in graphs.flatMap({ $0.constantPool.all }) where written.insert(tensor.digest).inserted {
      sections.append(Container.Section("constant \(tensor.type)", tensor.withBytes { Array($0) }))
    }
    return Container(
      instructionSet: NPUProgram.instructionSetDigest, target: Digest.sha256(target.yaml), sections: sections
    ).encoded()
  }

  /// Reads a `.fur` file. - Throws: `inputMissing`, `malformedContainer`, `otherTarget`.
  public static func load(_ path: String) throws(Diagnostic) -> CompiledModel {
    try CompiledModel(decoding: try FileIO.readBytes(path), name: "'\(path)'")
  }

  /// Reads the bytes of a file.
  /// - Parameters:
  ///   - bytes: as `encoded` gives them.
  ///   - name: what diagnostics call them.
  /// - Throws: `malformedContainer` for anything that is not as written; `otherTarget` for a file of another
  ///   version of the instruction set.
  public init(decoding bytes: [UInt8], name: String) throws(Diagnostic) {
    let container = try Container(decoding: bytes, name: name)
    guard container.instructionSet == NPUProgram.instructionSetDigest.bytes else {
      throw Diagnostic(
        .otherTarget, "\(name) was made for another version of the instruction set",
        help: "compile the model again with this version of furc")
    }
    do {
      try self.init(container)
    } catch {
      throw Diagnostic(.malformedContainer, "\(name): \(error.message)", help: error.help)
    }
  }

  private init(_ container: Container) throws(Diagnostic) {
    let yaml = try Self.section("target", container)
    guard Digest.sha256(yaml).bytes == container.target else {
      throw Diagnostic(.malformedContainer, "the target's file does not fit its digest")
    }
    target = try TargetReader.read(yaml)
    outline = try ProgramOutline(text: try Self.text("outline", container))
    try outline.verified()
    var pool = ConstantPool()
    for section in container.sections where section.name.hasPrefix("constant ") {
      let type = try TensorType(text: String(section.name.dropFirst(9)))
      pool.insert(try Tensor(type, section.bytes.withSize(try type.byteCount().bytes)))
    }
    var devices: [NPUProgram] = []
    var graphs: [Graph] = []
    while let bytes = container.section("device.\(devices.count)") {
      devices.append(try NPUProgram(decoding: bytes))
    }
    while container.section("graph.\(graphs.count)") != nil {
      let graph = try Graph(text: try Self.text("graph.\(graphs.count)", container), constants: pool)
      if let fault = graph.verify().first { throw fault }
      graphs.append(graph)
    }
    self.devices = devices
    self.graphs = graphs
    var layers: ProgramLayers?
    if container.section("layers") != nil {
      layers = try ProgramLayers(text: try Self.text("layers", container))
      try layers?.verified(kernels: devices.map(\.kernels.count))
    }
    self.layers = layers
    try checkSteps()
  }

  /// Every step's payload is there and reads and writes what the outline says.
  private func checkSteps() throws(Diagnostic) {
    for (index, step) in outline.steps.enumerated() {
      let payloads = step.kind == .device ? devices.count : graphs.count
      guard step.payload < payloads else {
        throw Diagnostic(.malformedContainer, "step \(index) has no payload \(step.payload)")
      }
      let (inputs, outputs): ([ProgramOutline.Buffer], [ProgramOutline.Buffer])
      if step.kind == .device {
        inputs = devices[step.payload].inputs.map { .init(name: $0.name, type: $0.type) }
        outputs = devices[step.payload].outputs.map { .init(name: $0.name, type: $0.type) }
      } else {
        inputs = try graphs[step.payload].ports(\.inputs)
        outputs = try graphs[step.payload].ports(\.outputs)
      }
      guard inputs.map(\.name) == step.inputs, outputs.map(\.name) == step.outputs,
        (inputs + outputs).allSatisfy({ outline.type(of: $0.name) == $0.type })
      else {
        throw Diagnostic(.malformedContainer, "step \(index) and its payload disagree on their buffers")
      }
    }
  }

  private static func section(_ name: String, _ container: Container) throws(Diagnostic) -> [UInt8] {
    guard let bytes = container.section(name) else {
      throw Diagnostic(.malformedContainer, "section '\(name)' is missing")
    }
    return bytes
  }

  private static func text(_ name: String, _ container: Container) throws(Diagnostic) -> String {
    guard let text = String(validating: try section(name, container), as: UTF8.self) else {
      throw Diagnostic(.malformedContainer, "section '\(name)' is not UTF-8")
    }
    return text
  }
}

extension [UInt8] {
  /// A storage of these bytes. - Throws: `malformedContainer` unless there are `count`.
  fileprivate func withSize(_ count: Int) throws(Diagnostic) -> Storage {
    guard self.count == count else {
      throw Diagnostic(.malformedContainer, "a constant has \(self.count) bytes instead of \(count)")
    }
    return Storage(count: count) { $0.copyBytes(from: self) }
  }
}

extension Graph {
  /// Inputs or outputs as buffers. - Throws: `symbolicShape`.
  func ports(_ path: (Graph) -> [ValueID]) throws(Diagnostic) -> [ProgramOutline.Buffer] {
    var ports: [ProgramOutline.Buffer] = []
    for id in path(self) {
      ports.append(ProgramOutline.Buffer(name: values[id].name, type: try values[id].type.requireConcrete()))
    }
    return ports
  }
}
