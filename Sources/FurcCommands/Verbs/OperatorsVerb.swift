import ArgumentParser
import Furc
import Operators
import Support
import TargetFiles
import Tensors

struct OperatorsVerb: Verb {
  static let configuration = CommandConfiguration(
    commandName: "ops", abstract: "Lists the operators, their element types, and where each runs.",
    discussion: """
      Found by asking inference, lowering and each target about small applications: a type under 'kernels' has \
      some form that lowers, and 'int8' or 'f32' under a target that the device takes such a form. What runs \
      nowhere else runs on the host by its evaluator.
      """)

  @Argument(help: "Operators; all without any.")
  var names: [String] = []

  @Option(help: "A target, or the path of a YAML file; may be repeated. All built-in ones without it.")
  var target: [String] = []

  @Flag(help: "Print one JSON object.")
  var json = false

  var subject: String? { nil }

  func run(_ console: Console) throws {
    let chosen = try (target.isEmpty ? Targets.names : target).map { try Targets.find($0) }
    var operators = Session().operators
    if let unknown = names.first(where: { operators.find($0) == nil }) {
      throw ValidationError("no operator is named '\(unknown)'")
    }
    if !names.isEmpty { operators = OperatorSet(names.compactMap { operators.find($0) }) }
    let table = OperatorTable(operators, on: chosen)
    guard !json else { return console.print(object(table)) }
    let header = ["operator", "versions", "evaluated", "kernels"] + table.targets
    let lines = [header] + table.rows.map { cells($0) }
    let widths = header.indices.map { column in lines.map { $0[column].count }.max() ?? 0 }
    for line in lines {
      let cells = zip(line, widths).dropLast().map { $0.padded($1) } + [line[line.count - 1]]
      console.print(cells.joined(separator: "  "))
    }
  }

  private func cells(_ row: OperatorTable.Row) -> [String] {
    let forms = row.kernels.first.map { $0.forms.joined(separator: "+") + ": " } ?? "-"
    return [
      row.domain.isEmpty ? row.name : "\(row.domain):\(row.name)",
      row.since.map(String.init).joined(separator: " "),
      row.evaluated.map(\.rawValue).joined(separator: " "),
      forms + row.kernels.map(\.element.rawValue).joined(separator: " "),
    ] + row.places.map { $0.device.isEmpty ? "host" : $0.device.joined(separator: " ") }
  }

  private func object(_ table: OperatorTable) -> JSON {
    let items = table.rows.map { row in
      JSON.object([
        .init("name", .string(row.name)), .init("domain", .string(row.domain)),
        .init("since", .array(row.since.map(JSON.integer))),
        .init("evaluated", .array(row.evaluated.map { .string($0.rawValue) })),
        .init(
          "kernels",
          .object(
            row.kernels.map { .init($0.element.rawValue, .array($0.forms.map(JSON.string))) })),
        .init(
          "targets",
          .object(
            zip(table.targets, row.places).map { name, place in
              .init(
                name,
                .object([
                  .init("device", .array(place.device.map(JSON.string))),
                  .init("reason", place.reason.map(JSON.string) ?? .null),
                ]))
            })),
      ])
    }
    return .object([.init("operators", .array(items))])
  }
}
