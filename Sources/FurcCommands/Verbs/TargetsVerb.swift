import ArgumentParser
import Furc
import Machine
import Support
import TargetFiles

struct TargetsVerb: Verb {
  static let configuration = CommandConfiguration(
    commandName: "targets", abstract: "Lists targets, or one target's numbers with their sources and reasons."
  )

  @Argument(help: "A target, or the path of a YAML file.")
  var target: String?

  @Flag(help: "Print one JSON object.")
  var json = false

  var subject: String? { nil }

  func run(_ console: Console) throws {
    guard let target else { return try list(console) }
    let description = try Targets.find(target)
    guard !json else { return console.print(object(description)) }
    console.print("\(description.name) (\(description.family)): \(description.summary)")
    let key = description.numbers.map(\.key.count).max() ?? 0
    let value = description.numbers.map(\.value.count).max() ?? 0
    for number in description.numbers {
      console.print(
        "  \(number.key.padded(key))  \(number.value.padded(value))  \(number.source.rawValue.padded(9))  "
          + number.reason)
    }
  }

  private func list(_ console: Console) throws {
    var items: [JSON] = []
    let width = Targets.names.map(\.count).max() ?? 0
    for name in Targets.names {
      let target = try Targets.builtin(name)
      items.append(
        .object([
          .init("name", .string(target.name)), .init("family", .string(target.family)),
          .init("summary", .string(target.summary)),
        ]))
      if !json { console.print("\(name.padded(width))  \(target.family)  \(target.summary)") }
    }
    if json { console.print(.object([.init("targets", .array(items))])) }
  }

  private func object(_ target: TargetDescription) -> JSON {
    let numbers = target.numbers.map { number -> JSON in
      .object([
        .init("key", .string(number.key)),
        .init("value", Int(number.value).map(JSON.integer) ?? .string(number.value)),
        .init("source", .string(number.source.rawValue)), .init("reason", .string(number.reason)),
      ])
    }
    return .object([
      .init("name", .string(target.name)), .init("family", .string(target.family)),
      .init("summary", .string(target.summary)), .init("numbers", .array(numbers)),
    ])
  }
}

extension String {
  /// With blanks behind it, to a width in characters.
  func padded(_ width: Int) -> String { self + String(repeating: " ", count: max(0, width - count)) }

  /// With blanks before it.
  func aligned(_ width: Int) -> String { String(repeating: " ", count: max(0, width - count)) + self }
}
