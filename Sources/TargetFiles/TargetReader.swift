import Machine
import Support
import Yams

/// Target files: `name`, `family` and `summary`, and under `machine` every number of the machine as
/// `{value: 64, source: published, reason: "…"}`. Nothing may be missing, unknown or there twice.
public enum TargetReader {
  /// - Throws: `inputMissing`, or `invalidTarget` naming the key.
  public static func read(path: String) throws(Diagnostic) -> TargetDescription {
    let bytes = try FileIO.readBytes(path)
    do { return try read(bytes) } catch {
      throw Diagnostic(error.kind, at: error.location, "'\(path)': \(error.message)", help: error.help)
    }
  }

  /// - Throws: `invalidTarget` naming the key.
  public static func read(_ yaml: [UInt8]) throws(Diagnostic) -> TargetDescription {
    guard yaml.count <= 1 << 18 else {
      throw Diagnostic(.invalidTarget, "the file has \(yaml.count) bytes, allowed are \(1 << 18)")
    }
    guard let text = String(validating: yaml, as: UTF8.self) else {
      throw Diagnostic(.invalidTarget, "the file is not UTF-8 text")
    }
    let fields = try Fields(
      try parse(text), in: "the file", known: ["name", "family", "summary", "machine"])
    let numbers = MachineNumber.all
    let known = numbers.map(\.key) + [MachineNumber.contractionTypesKey]
    let entries = try Fields(try fields.node("machine"), in: "machine", known: known)
    var machine = SliceMachine()
    var described: [TargetDescription.Number] = []
    for number in numbers {
      let entry = try Entry(entries, number.key)
      guard let value = entry.value.scalar, value.style == .plain, let integer = Int(value.string) else {
        throw entry.wrong("an integer", entry.value)
      }
      number.set(&machine, integer)
      described.append(entry.described("\(integer)"))
    }
    let entry = try Entry(entries, MachineNumber.contractionTypesKey)
    guard let list = entry.value.sequence else { throw entry.wrong("a list of types", entry.value) }
    for item in list {
      guard let name = item.scalar?.string else { throw entry.wrong("a list of types", item) }
      machine.contractionTypes.append(name)
    }
    described.append(entry.described(machine.contractionTypes.joined(separator: ", ")))
    return try TargetDescription(
      name: try fields.text("name"), family: try fields.text("family"), summary: try fields.text("summary"),
      machine: machine, numbers: described, yaml: yaml)
  }

  private static func parse(_ text: String) throws(Diagnostic) -> Node {
    do {
      guard let node = try compose(yaml: text) else { throw Diagnostic(.invalidTarget, "the file is empty") }
      return node
    } catch let error as Diagnostic {
      throw error
    } catch let error as YamlError {
      if case .duplicatedKeysInMapping(let names, let context) = error {
        let keys = names.sorted().joined(separator: ", ")
        throw Diagnostic(.invalidTarget, at: .line(context.mark.line), "key is there twice: \(keys)")
      }
      let lines = "\(error)".split(separator: "\n").map { $0.trimmingPrefix { $0 == " " } }
      throw Diagnostic(.invalidTarget, "not YAML: \(lines.joined(separator: " "))")
    } catch {
      throw Diagnostic(.invalidTarget, "not YAML: \(error)")
    }
  }
}

/// `{value: …, source: …, reason: …}` of one number.
private struct Entry {
  let key: String
  let value: Node
  let source: TargetDescription.Source
  let reason: String

  init(_ fields: Fields, _ key: String) throws(Diagnostic) {
    let entry = try Fields(try fields.node(key), in: key, known: ["value", "source", "reason"])
    self.key = key
    value = try entry.node("value")
    let word = try entry.text("source")
    guard let source = TargetDescription.Source(rawValue: word) else {
      let known = TargetDescription.Source.allCases.map(\.rawValue).joined(separator: ", ")
      throw Diagnostic(.invalidTarget, "source of \(key) is '\(word)', known are \(known)")
    }
    self.source = source
    reason = try entry.text("reason")
    guard !reason.isEmpty else { throw Diagnostic(.invalidTarget, "reason of \(key) is empty") }
  }

  func described(_ value: String) -> TargetDescription.Number {
    TargetDescription.Number(key: key, value: value, source: source, reason: reason)
  }

  func wrong(_ expected: String, _ node: Node) -> Diagnostic {
    let place = node.mark.map { Diagnostic.Location.line($0.line) } ?? .unknown
    let found = node.scalar.map { "'\($0.string)'" } ?? (node.sequence != nil ? "a list" : "a mapping")
    return Diagnostic(.invalidTarget, at: place, "value of \(key) is \(found), allowed is \(expected)")
  }
}

/// A mapping of which every key is known.
private struct Fields {
  private let mapping: Node.Mapping
  private let name: String

  init(_ node: Node, in name: String, known: [String]) throws(Diagnostic) {
    let place = node.mark.map { Diagnostic.Location.line($0.line) } ?? .unknown
    guard let mapping = node.mapping else {
      throw Diagnostic(.invalidTarget, at: place, "\(name) is not a mapping of keys to values")
    }
    self.mapping = mapping
    self.name = name
    for (key, _) in mapping {
      let line = key.mark.map { Diagnostic.Location.line($0.line) } ?? place
      guard let text = key.scalar?.string else {
        throw Diagnostic(.invalidTarget, at: line, "a key in \(name) is not a name")
      }
      guard known.contains(text) else {
        let nearest = known.min { editDistance($0, text) < editDistance($1, text) } ?? ""
        throw Diagnostic(
          .invalidTarget, at: line, "unknown key '\(text)' in \(name)",
          help: "the nearest known key is '\(nearest)'")
      }
    }
  }

  func node(_ key: String) throws(Diagnostic) -> Node {
    guard let node = mapping.first(where: { $0.key.scalar?.string == key })?.value else {
      throw Diagnostic(.invalidTarget, "key '\(key)' is missing in \(name)")
    }
    return node
  }

  func text(_ key: String) throws(Diagnostic) -> String {
    guard let scalar = try node(key).scalar else {
      throw Diagnostic(.invalidTarget, "\(key) in \(name) is not text")
    }
    return scalar.string
  }
}

/// Insertions, deletions and replacements of bytes from one word to the other (Levenshtein 1966).
private func editDistance(_ left: String, _ right: String) -> Int {
  let (left, right) = (Array(left.utf8.prefix(100)), Array(right.utf8.prefix(100)))
  var row = Array(0...right.count)
  for (line, byte) in left.enumerated() {
    var diagonal = row[0]
    row[0] = line + 1
    for column in right.indices {
      let replaced = diagonal + (byte == right[column] ? 0 : 1)
      diagonal = row[column + 1]
      row[column + 1] = min(replaced, diagonal + 1, row[column] + 1)
    }
  }
  return row[right.count]
}
