import ArgumentParser
import Furc
import Machine
import NPUISA
import Support

struct InspectVerb: Verb {
  static let configuration = CommandConfiguration(
    commandName: "inspect", abstract: "Says what a .fur holds: steps, buffers, programs, sections.")

  @Argument(help: "A .fur file.")
  var file: String

  @Flag(help: "Print one JSON object.")
  var json = false

  var subject: String? { file }

  func run(_ console: Console) throws {
    let bytes = try FileIO.readBytes(file)
    let compiled = try CompiledModel(decoding: bytes, name: "'\(file)'")
    let container = try Container(decoding: bytes, name: "'\(file)'")
    guard !json else { return console.print(object(compiled, container, bytes)) }
    console.print("target \(compiled.target.name), sha256 \(Digest.sha256(bytes).hex)")
    console.write(Array(compiled.outline.text.utf8))
    for (index, program) in compiled.devices.enumerated() {
      console.print(
        "device \(index): \(program.instructionCount) instructions in \(program.run.contexts.count) contexts, "
          + "\(program.kernels.count) kernels, \(program.programs.count) vector programs, "
          + "\(program.images.reduce(0) { $0 + $1.bytes.count }) bytes of images, \(program.dramBytes) of DRAM"
      )
    }
    for section in container.sections {
      console.print("section \(section.name): \(section.bytes.count) bytes")
    }
  }

  private func object(_ compiled: CompiledModel, _ container: Container, _ bytes: [UInt8]) -> JSON {
    let outline = compiled.outline
    let steps = outline.steps.map { step in
      JSON.object([
        .init("kind", .string(step.kind.rawValue)), .init("payload", .integer(step.payload)),
        .init("inputs", .array(step.inputs.map(JSON.string))),
        .init("outputs", .array(step.outputs.map(JSON.string))),
      ])
    }
    let ports = { (ports: [ProgramOutline.Port]) -> JSON in
      .object(ports.map { .init($0.name, .string(outline.type(of: $0.buffer).map { "\($0)" } ?? "")) })
    }
    return .object([
      .init("model", .string(outline.name)), .init("target", .string(compiled.target.name)),
      .init("precision", .string(outline.precision)), .init("inputs", ports(outline.inputs)),
      .init("outputs", ports(outline.outputs)), .init("steps", .array(steps)),
      .init("instructions", .integer(compiled.devices.reduce(0) { $0 + $1.instructionCount })),
      .init(
        "sections", .object(container.sections.map { .init($0.name, .integer($0.bytes.count)) })),
      .init("sha256", .string(Digest.sha256(bytes).hex)),
    ])
  }
}

extension NPUProgram {
  /// As they stand in the file, loops not expanded.
  fileprivate var instructionCount: Int { (load.contexts + run.contexts).reduce(0) { $0 + $1.count } }
}
