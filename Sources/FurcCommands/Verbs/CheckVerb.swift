import ArgumentParser
import Furc
import Machine
import Support

struct CheckVerb: Verb {
  static let configuration = CommandConfiguration(
    commandName: "check",
    abstract: "Proves from a .fur alone that its programs are safe under any timing.")

  @Argument(help: "A .fur file.")
  var file: String

  @Flag(help: "Print one JSON object.")
  var json = false

  var subject: String? { file }

  func run(_ console: Console) throws {
    let compiled = try CompiledModel.load(file)
    let session = Session()
    var findings: [Diagnostic] = []
    for program in compiled.devices { findings += session.check(program, compiled.target.machine) }
    for finding in findings { console.report(finding, file: file) }
    if json {
      console.print(
        .object([
          .init("clean", .bool(findings.isEmpty)),
          .init("findings", .array(findings.map { .string("\($0)") })),
        ]))
    } else {
      console.print(findings.isEmpty ? "clean" : "\(findings.count) findings")
    }
    guard findings.isEmpty else { throw ExitStatus.failed }
  }
}
