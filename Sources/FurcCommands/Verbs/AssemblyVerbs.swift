import ArgumentParser
import Furc
import NPUISA
import Support

struct DisassembleVerb: Verb {
  static let configuration = CommandConfiguration(
    commandName: "disasm", abstract: "Prints a device program of a .fur as text that `furc asm` reads back.")

  @Argument(help: "A .fur file, or a program that `furc asm` wrote.")
  var file: String

  @Option(help: "Which device program.")
  var device = 0

  @Option(name: .shortAndLong, help: "A file for the text; standard output without it.")
  var output: String?

  var subject: String? { file }

  func run(_ console: Console) throws {
    let bytes = try FileIO.readBytes(file)
    let program: NPUProgram
    if bytes.starts(with: "fnpu".utf8) {
      program = try NPUProgram(decoding: bytes)
    } else {
      let compiled = try CompiledModel(decoding: bytes, name: "'\(file)'")
      guard compiled.devices.indices.contains(device) else {
        throw Diagnostic(
          .malformedContainer, "'\(file)' has \(compiled.devices.count) device programs, none is \(device)")
      }
      program = compiled.devices[device]
    }
    guard let output else { return console.write(Array(program.text.utf8)) }
    Interrupt.willWrite(output)
    try FileIO.writeAtomically(output, program.text)
  }
}

struct AssembleVerb: Verb {
  static let configuration = CommandConfiguration(
    commandName: "asm", abstract: "Turns the text of a device program into its bytes.")

  @Argument(help: "The text.")
  var file: String

  @Option(name: .shortAndLong, help: "A file for the bytes.")
  var output: String

  var subject: String? { file }

  func run(_ console: Console) throws {
    let program = try NPUProgram(text: try FileIO.readText(file))
    Interrupt.willWrite(output)
    try FileIO.writeAtomically(output, program.encoded())
  }
}
