import ArgumentParser
import Furc
import Glibc
import Support

/// A verb of the command line: what it parses, and what it does with a console.
protocol Verb: ParsableCommand {
  /// The file that diagnostics of this verb are about, where one stands out.
  var subject: String? { get }
  /// - Throws: `Diagnostic`, `Diagnostics`, or `ExitStatus` once everything has been said.
  func run(_ console: Console) throws
}

/// Ends a verb that has said what there is to say.
struct ExitStatus: Error {
  let status: Int32

  /// A verification or check failed.
  static let failed = ExitStatus(status: 1)
}

struct FurcCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "furc",
    abstract: "Compiles ONNX models for a virtual NPU, and proves bits, cycles and safety of the binary.",
    discussion: """
      Exit status: 0 done, 1 a verification or check failed, 64 usage, 65 the input file is malformed, \
      66 it is missing, 69 not supported or too large, 70 a bug in furc, 74 cannot write.
      """,
    version: furcVersion,
    subcommands: [
      CompileVerb.self, RunVerb.self, VerifyVerb.self, CheckVerb.self, InspectVerb.self, DisassembleVerb.self,
      AssembleVerb.self, OptVerb.self, QuantizeVerb.self, BenchVerb.self, ReportVerb.self,
      WhyVerb.self, TargetsVerb.self,
      OperatorsVerb.self,
      ExplainVerb.self,
    ])
}

/// The command line as a function, so that tests call it in their own process.
public enum FurcTool {
  /// - Parameter arguments: without the name of the program.
  /// - Returns: the exit status.
  public static func run(_ arguments: [String], _ console: Console) -> Int32 {
    var subject: String?
    do {
      var command = try FurcCommand.parseAsRoot(arguments)
      guard let verb = command as? any Verb else {
        // The parser's own command for help throws what it has to say.
        if !(command is FurcCommand) { try command.run() }
        console.print(FurcCommand.helpMessage())
        return EX_USAGE
      }
      subject = verb.subject
      try verb.run(console)
      return 0
    } catch let finding as Diagnostic {
      for each in [finding] + finding.others { console.report(each, file: subject) }
      return finding.kind.exitStatus
    } catch let findings as Diagnostics {
      for finding in findings.items { console.report(finding, file: subject) }
      return findings.exitStatus
    } catch let end as ExitStatus {
      return end.status
    } catch {
      let status = FurcCommand.exitCode(for: error).rawValue
      let message = FurcCommand.fullMessage(for: error)
      if status == 0 { console.print(message) } else { console.note(message) }
      return status
    }
  }

  /// Runs the process's own arguments and ends it. Ctrl-C removes what is written aside.
  public static func main() -> Never {
    signal(SIGPIPE, SIG_IGN)
    Interrupt.install()
    exit(run(Array(CommandLine.arguments.dropFirst()), .standard()))
  }
}
