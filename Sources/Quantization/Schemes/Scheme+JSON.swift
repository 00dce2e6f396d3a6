import GraphIR
import Support
import Tensors

/// ```
/// {
///   "format": "furc-scheme",
///   "version": 1,
///   "values": [
///     {"name": "x", "element": "i8", "scale": [0.5], "zero_point": [-3], "axis": null, "method": "min-max",
///      "min": -62.5, "max": 65.0},
///     …
///   ],
///   "keep": ["head.conv", …],
///   "equalizations": [
///     {"value": "y", "divide": [0.5, 2.0]},
///     …
///   ],
///   "corrections": [
///     {"node": "stem.conv", "add": [0.0012, -0.0003]},
///     …
///   ]
/// }
/// ```
/// Real = (stored - zero_point) · scale; scales are shortest decimals that read back as the same f32. One
/// line per value, in the order of the graph. `keep` names nodes that stay in f32, `equalizations` says by what channels
/// between contractions are divided, `corrections` what is added to biases; all three may be left out.
extension Scheme {
  public var json: String {
    var text = "{\n  \"format\": \"furc-scheme\",\n  \"version\": 1,\n  \"values\": ["
    for (index, entry) in entries.enumerated() {
      let quantization = entry.quantization
      let scale = quantization.scale.map(\.description).joined(separator: ", ")
      let zero = quantization.zeroPoint.map(\.description).joined(separator: ", ")
      text += (index == 0 ? "\n" : ",\n") + "    {\"name\": \(JSONText.quoted(entry.name))"
      text += ", \"element\": \"\(entry.element.rawValue)\", \"scale\": [\(scale)], \"zero_point\": [\(zero)]"
      text += ", \"axis\": \(quantization.axis.map(\.description) ?? "null")"
      text += ", \"method\": \(JSONText.quoted(entry.method))"
      text += ", \"min\": \(entry.range.minimum), \"max\": \(entry.range.maximum)}"
    }
    text += "\n  ],\n  \"keep\": [" + kept.map(JSONText.quoted).joined(separator: ", ") + "],\n"
    text += "  \"equalizations\": "
    text += Self.lines(equalizations.map { ("value", $0.value, "divide", $0.divisors) }) + ",\n"
    text += "  \"corrections\": "
    text += Self.lines(corrections.map { ("node", $0.node, "add", $0.added) }) + "\n}\n"
    return text
  }

  private static func lines(
    _ items: [(key: String, name: String, list: String, numbers: [Float])]
  ) -> String {
    let lines = items.map { item in
      let numbers = item.numbers.map(\.description).joined(separator: ", ")
      return "    {\"\(item.key)\": \(JSONText.quoted(item.name)), \"\(item.list)\": [\(numbers)]}"
    }
    return lines.isEmpty ? "[]" : "[\n" + lines.joined(separator: ",\n") + "\n  ]"
  }

  /// - Throws: `syntax` where the text is not JSON or not of this form. Members that are not known are errors.
  public init(json text: String) throws(Diagnostic) {
    let root = try JSONText(text)
    guard root["format"] == .string("furc-scheme"), root["version"] == .number("1"),
      case .array(let items)? = root["values"]
    else {
      throw Diagnostic(
        .syntax, "a scheme has the members \"format\": \"furc-scheme\", \"version\": 1 and \"values\"")
    }
    var entries: [Entry] = []
    for item in items { entries.append(try Entry(item, index: entries.count)) }
    self.init(entries)
    if case .object(let members) = root,
      let unknown = members.first(where: { !Self.members.contains($0.name) })
    {
      throw Diagnostic(.syntax, "'\(unknown.name)' is no member of a scheme")
    }
    kept = try Self.names(root["keep"])
    equalizations = try Self.named(root["equalizations"], "equalizations", "value", "divide").map {
      Equalization(value: $0, divisors: $1)
    }
    if let wrong = equalizations.first(where: { !$0.divisors.allSatisfy { $0 > 0 } }) {
      throw Diagnostic(.syntax, "a divisor of '\(wrong.value)' in the scheme is not positive")
    }
    corrections = try Self.named(root["corrections"], "corrections", "node", "add").map {
      Correction(node: $0, added: $1)
    }
  }

  private static let members: Set<String> = [
    "format", "version", "values", "keep", "equalizations", "corrections",
  ]

  private static func names(_ member: JSONText?) throws(Diagnostic) -> [String] {
    guard let member else { return [] }
    guard case .array(let items) = member else { throw Diagnostic(.syntax, "'keep' of a scheme is no array") }
    var names: [String] = []
    for item in items {
      guard case .string(let name) = item else {
        throw Diagnostic(.syntax, "item \(names.count) of 'keep' is no name of a node")
      }
      names.append(name)
    }
    return names
  }

  /// Objects of a name and numbers.
  private static func named(
    _ member: JSONText?, _ what: String, _ key: String, _ list: String
  ) throws(Diagnostic) -> [(String, [Float])] {
    guard let member else { return [] }
    guard case .array(let items) = member else {
      throw Diagnostic(.syntax, "'\(what)' of a scheme is no array")
    }
    var found: [(String, [Float])] = []
    for item in items {
      guard case .object(let members) = item, members.count == 2, case .string(let name)? = item[key],
        let numbers = item.numbers(list, Float.init), numbers.allSatisfy(\.isFinite)
      else {
        throw Diagnostic(
          .syntax, "item \(found.count) of '\(what)' has not the members '\(key)' and '\(list)', of numbers")
      }
      found.append((name, numbers))
    }
    return found
  }
}

extension Scheme.Entry {
  private static let members: Set<String> = [
    "name", "element", "scale", "zero_point", "axis", "method", "min", "max",
  ]

  fileprivate init(_ item: JSONText, index: Int) throws(Diagnostic) {
    func fault(_ what: String) -> Diagnostic { Diagnostic(.syntax, "value \(index) of the scheme: \(what)") }
    guard case .object(let members) = item, case .string(let name)? = item["name"] else {
      throw fault("it has no name")
    }
    if let unknown = members.first(where: { !Self.members.contains($0.name) }) {
      throw fault("'\(unknown.name)' is no member")
    }
    guard case .string(let word)? = item["element"], let element = ElementType(rawValue: word) else {
      throw fault("'element' of '\(name)' is no element type")
    }
    guard let scale = item.numbers("scale", Float.init), let zero = item.numbers("zero_point", Int32.init),
      scale.count == zero.count, scale.allSatisfy(\.isFinite)
    else { throw fault("'scale' and 'zero_point' of '\(name)' are not as many numbers") }
    var axis: Int?
    if case .number(let digits)? = item["axis"] { axis = Int(digits) }
    guard axis != nil || item["axis"] == nil || item["axis"] == .null else {
      throw fault("'axis' of '\(name)' is no integer")
    }
    var method = "given"
    if case .string(let stated)? = item["method"] { method = stated }
    var (low, high) = (Float(0), Float(0))
    if case .number(let digits)? = item["min"] { low = Float(digits) ?? .nan }
    if case .number(let digits)? = item["max"] { high = Float(digits) ?? .nan }
    guard low.isFinite, high.isFinite, low <= high else {
      throw fault("'min' and 'max' of '\(name)' are no interval")
    }
    self.init(
      name, element, Quantization(scale: scale, zeroPoint: zero, axis: axis), method: method,
      ValueRange(low, high))
  }
}

extension JSONText {
  /// The numbers of an array, or nil where one is something else.
  fileprivate func numbers<Number>(_ name: String, _ read: (String) -> Number?) -> [Number]? {
    guard case .array(let items)? = self[name] else { return nil }
    let numbers = items.compactMap { item -> Number? in
      guard case .number(let digits) = item else { return nil }
      return read(digits)
    }
    return numbers.count == items.count ? numbers : nil
  }
}
