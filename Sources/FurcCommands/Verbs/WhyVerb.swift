import ArgumentParser
import Furc

struct WhyVerb: Verb {
  static let configuration = CommandConfiguration(
    commandName: "why",
    abstract: "Says why the nodes of a model run where they run on a target, and the price.",
    discussion: """
      It compiles, so that what it tells is what was decided. 'device' names the kernels that compute a node, with \
      their part of the run; 'host' the condition that the target's deciding code found broken; 'conversion' what \
      the host converts for every target; 'folded' what passes left nothing of.
      """)

  @Argument(help: "An ONNX model.")
  var model: String

  @Argument(help: "A node: its name, the name of a result, or #number. All without it.")
  var node: String?

  @OptionGroup var arguments: CompileArguments
  @OptionGroup var reading: ModelArguments

  @Flag(help: "Print one JSON object.")
  var json = false

  var subject: String? { model }

  func run(_ console: Console) throws {
    var chosen: Set<Int>?
    // A wrong name is told before the work.
    let (compilation, _) = try arguments.compile(model, reading, console) { loaded in
      chosen = try node.map { try loaded.nodes(named: $0) }
    }
    let report = try PlacementReport(compilation)
    if json {
      console.print(report.json(of: chosen))
    } else {
      for line in report.lines(of: chosen) { console.print(line) }
    }
  }
}
