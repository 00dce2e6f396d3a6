import ArgumentParser
import Furc
import Support

struct ExplainVerb: Verb {
  static let configuration = CommandConfiguration(
    commandName: "explain", abstract: "Says what the code of a diagnostic means; without one, lists all.")

  @Argument(help: "A code such as F0404.")
  var code: String?

  @Flag(help: "Print one JSON object.")
  var json = false

  var subject: String? { nil }

  func validate() throws {
    guard let code, !Diagnostic.Kind.all.contains(where: { $0.code == code.uppercased() }) else { return }
    throw ValidationError("'\(code)' is no code of a diagnostic; `furc explain` lists them all")
  }

  func run(_ console: Console) throws {
    let kinds = Diagnostic.Kind.all.filter { kind in code.map { kind.code == $0.uppercased() } ?? true }
    if json {
      console.print(.object([.init("diagnostics", .array(kinds.map(object)))]))
    } else {
      for kind in kinds {
        console.print(
          "\(kind.code) \(kind.severity.rawValue), exit status \(kind.exitStatus): \(kind.summary)")
      }
    }
  }

  private func object(_ kind: Diagnostic.Kind) -> JSON {
    .object([
      .init("code", .string(kind.code)), .init("severity", .string(kind.severity.rawValue)),
      .init("exit_status", .integer(Int(kind.exitStatus))), .init("summary", .string(kind.summary)),
    ])
  }
}
