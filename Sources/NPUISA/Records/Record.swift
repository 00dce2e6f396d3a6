import Support

/// A value whose stored properties are fields, declared once as a list. Codec, text form, ranges, mutants and
/// the page of the instruction set derive from the list.
public protocol Record: FieldValue {
  /// One line for the page.
  static var summary: String { get }
  /// Every field at its default.
  static var defaults: Self { get }
  /// In the order of encoding and of text; at most 32.
  static var fields: [RecordField<Self>] { get }
}

/// One field: its name in text, the property that holds it and what it allows.
public struct RecordField<Root: Record>: Sendable {
  public let name: String
  /// One line, with the unit.
  public let summary: String
  public let typeName: String
  /// Of the number, or of the number of elements. What depends on the machine is for the rules to say.
  public let allowed: ClosedRange<Int>?
  let measure: @Sendable (Root) -> Int?
  let isDefault: @Sendable (Root) -> Bool
  let encode: @Sendable (Root, inout ByteWriter) -> Void
  let decode: @Sendable (inout Root, inout ByteReader) throws(Diagnostic) -> Void
  let write: @Sendable (Root, inout TextWriter) -> Void
  let parse: @Sendable (inout Root, inout TextReader) throws(Diagnostic) -> Void
  let check: @Sendable (Root, String) -> [Diagnostic]
  let leaves: @Sendable (Root) -> Int
  let mutate: @Sendable (inout Root, Int, inout SeededRandom) -> String

  public init<Value: FieldValue>(
    _ name: String, _ path: any WritableKeyPath<Root, Value> & Sendable, in allowed: ClosedRange<Int>? = nil,
    _ summary: String
  ) {
    self.name = name
    self.summary = summary
    self.allowed = allowed
    typeName = Value.typeName
    measure = { $0[keyPath: path].measure }
    isDefault = { $0[keyPath: path] == Root.defaults[keyPath: path] }
    encode = { $0[keyPath: path].encode(to: &$1) }
    decode = { (root, bytes) throws(Diagnostic) in root[keyPath: path] = try Value.decode(&bytes) }
    write = { $0[keyPath: path].writeField(to: &$1) }
    parse = { (root, text) throws(Diagnostic) in root[keyPath: path] = try Value.parse(&text) }
    check = { checkNested($0[keyPath: path], $1) }
    leaves = { $0[keyPath: path].leaves }
    mutate = { $0[keyPath: path].mutate(leaf: $1, using: &$2) }
  }

  /// A field that may be absent, and is by default.
  public init<Value: FieldValue>(
    optional name: String, _ path: any WritableKeyPath<Root, Value?> & Sendable,
    in allowed: ClosedRange<Int>? = nil, _ summary: String
  ) {
    self.name = name
    self.summary = summary
    self.allowed = allowed
    typeName = Value.typeName + " or absent"
    measure = { $0[keyPath: path]?.measure }
    isDefault = { $0[keyPath: path] == nil }
    encode = { $0[keyPath: path]?.encode(to: &$1) }
    decode = { (root, bytes) throws(Diagnostic) in root[keyPath: path] = try Value.decode(&bytes) }
    write = { $0[keyPath: path]?.writeField(to: &$1) }
    parse = { (root, text) throws(Diagnostic) in root[keyPath: path] = try Value.parse(&text) }
    check = { root, place in root[keyPath: path].map { checkNested($0, place) } ?? [] }
    leaves = { $0[keyPath: path].map { $0.leaves + 1 } ?? 0 }
    mutate = { root, leaf, random in
      guard var value = root[keyPath: path], leaf < value.leaves else {
        root[keyPath: path] = nil
        return "removed"
      }
      defer { root[keyPath: path] = value }
      return value.mutate(leaf: leaf, using: &random)
    }
  }
}

/// The ranges of a record, of what a variant holds or of every element of a list.
private func checkNested(_ value: some FieldValue, _ place: String) -> [Diagnostic] {
  if let record = value as? any Record { return record.rangeFindings(place) }
  if let variant = value as? any Variant { return variant.payloadFindings(place) }
  guard let list = value as? [any Record] else { return [] }
  return list.enumerated().flatMap { $1.rangeFindings("\(place)[\($0)]") }
}

extension Record {
  public static var typeName: String { "`\(typeTitle(Self.self))`" }
  public var leaves: Int { Self.fields.reduce(0) { $0 + $1.leaves(self) } }

  /// Fields outside what they allow, here and within.
  public func rangeFindings(_ place: String = "") -> [Diagnostic] {
    let prefix = place.isEmpty ? "" : place + "."
    return Self.fields.flatMap { field -> [Diagnostic] in
      if let allowed = field.allowed, let value = field.measure(self), !allowed.contains(value) {
        let (low, high) = (allowed.lowerBound, allowed.upperBound)
        return [Diagnostic(.fieldRange, "\(prefix)\(field.name) is \(value), allowed is \(low) … \(high)")]
      }
      return field.check(self, prefix + field.name)
    }
  }

  /// One bit per field that differs from its default, then these fields.
  public func encode(to out: inout ByteWriter) {
    var mask: UInt32 = 0
    for (index, field) in Self.fields.enumerated() where !field.isDefault(self) { mask |= 1 << index }
    mask.encode(to: &out)
    for (index, field) in Self.fields.enumerated() where mask >> index & 1 == 1 { field.encode(self, &out) }
  }

  public static func decode(_ bytes: inout ByteReader) throws(Diagnostic) -> Self {
    let mask = try UInt32.decode(&bytes)
    guard UInt64(mask) < 1 << UInt64(fields.count) else {
      throw malformed("\(Self.self) has \(fields.count) fields, the mask names more")
    }
    var record = defaults
    for (index, field) in fields.enumerated() where mask >> index & 1 == 1 {
      try field.decode(&record, &bytes)
      guard !field.isDefault(record) else {
        throw malformed("\(field.name) of \(Self.self) is written out at its default")
      }
    }
    return record
  }

  /// `name=value` of the fields that differ from their defaults, in braces.
  public func writeField(to out: inout TextWriter) {
    out.write("{")
    writeFields(to: &out)
    out.write("}")
  }

  /// The same without braces. Returns whether anything was written.
  @discardableResult
  public func writeFields(to out: inout TextWriter) -> Bool {
    var isFirst = true
    for field in Self.fields where !field.isDefault(self) {
      out.write(isFirst ? "\(field.name)=" : " \(field.name)=")
      field.write(self, &out)
      isFirst = false
    }
    return !isFirst
  }

  public static func parse(_ text: inout TextReader) throws(Diagnostic) -> Self {
    var record = defaults
    try text.expect("{")
    try record.parseFields(&text)
    try text.expect("}")
    return record
  }

  /// Fields until something else comes. - Throws: `syntax`, also for a field that comes twice.
  public mutating func parseFields(_ text: inout TextReader) throws(Diagnostic) {
    var seen: UInt32 = 0
    while let index = Self.fields.firstIndex(where: { text.accept($0.name + "=") }) {
      guard seen >> index & 1 == 0 else { throw text.expected("'\(Self.fields[index].name)' only once") }
      seen |= 1 << index
      try Self.fields[index].parse(&self, &text)
    }
  }

  public mutating func mutate(leaf: Int, using random: inout SeededRandom) -> String {
    var leaf = leaf
    for field in Self.fields {
      let count = field.leaves(self)
      if leaf < count { return field.name + pathRest(field.mutate(&self, leaf, &random)) }
      leaf -= count
    }
    return ""
  }
}

/// A choice among cases that hold a value each.
public protocol Variant: FieldValue {
  static var summary: String { get }
  /// In the order of their numbers.
  static var cases: [VariantCase<Self>] { get }
}

public struct VariantCase<Root: Variant>: Sendable {
  public let name: String
  public let summary: String
  public let typeName: String
  let holds: @Sendable (Root) -> Bool
  let encode: @Sendable (Root, inout ByteWriter) -> Void
  let decode: @Sendable (inout ByteReader) throws(Diagnostic) -> Root
  let write: @Sendable (Root, inout TextWriter) -> Void
  let parse: @Sendable (inout TextReader) throws(Diagnostic) -> Root
  let check: @Sendable (Root, String) -> [Diagnostic]
  let leaves: @Sendable (Root) -> Int
  let mutate: @Sendable (inout Root, Int, inout SeededRandom) -> String

  public init<Payload: FieldValue>(
    _ name: String, _ extract: @escaping @Sendable (Root) -> Payload?,
    _ embed: @escaping @Sendable (Payload) -> Root, _ summary: String
  ) {
    self.name = name
    self.summary = summary
    typeName = Payload.typeName
    holds = { extract($0) != nil }
    encode = { extract($0)?.encode(to: &$1) }
    decode = { (bytes) throws(Diagnostic) in embed(try Payload.decode(&bytes)) }
    write = { extract($0)?.writeField(to: &$1) }
    parse = { (text) throws(Diagnostic) in embed(try Payload.parse(&text)) }
    check = { root, place in extract(root).map { checkNested($0, place) } ?? [] }
    leaves = { extract($0)?.leaves ?? 0 }
    mutate = { root, leaf, random in
      guard var payload = extract(root) else { return "" }
      defer { root = embed(payload) }
      return payload.mutate(leaf: leaf, using: &random)
    }
  }
}

extension Variant {
  public static var typeName: String { "`\(typeTitle(Self.self))`" }
  private var index: Int { Self.cases.firstIndex { $0.holds(self) } ?? 0 }
  public var leaves: Int { Self.cases[index].leaves(self) }

  public func payloadFindings(_ place: String) -> [Diagnostic] { Self.cases[index].check(self, place) }

  /// The number of the case, then its value.
  public func encode(to out: inout ByteWriter) {
    out.integer(UInt8(index))
    Self.cases[index].encode(self, &out)
  }

  public static func decode(_ bytes: inout ByteReader) throws(Diagnostic) -> Self {
    let number: UInt8 = try bytes.integer()
    guard number < cases.count else { throw malformed("\(number) is no case of \(Self.self)") }
    return try cases[Int(number)].decode(&bytes)
  }

  /// The name of the case, then its value.
  public func writeField(to out: inout TextWriter) {
    let `case` = Self.cases[index]
    out.write(`case`.name)
    if `case`.typeName != Nothing.typeName { out.write(" ") }
    `case`.write(self, &out)
  }

  public static func parse(_ text: inout TextReader) throws(Diagnostic) -> Self {
    let start = text
    let word = try text.word()
    guard let found = cases.first(where: { $0.name == word }) else {
      throw start.expected("one of \(cases.map(\.name).joined(separator: ", "))")
    }
    return try found.parse(&text)
  }

  public mutating func mutate(leaf: Int, using random: inout SeededRandom) -> String {
    let found = Self.cases[index]
    return found.name + pathRest(found.mutate(&self, leaf, &random))
  }
}

/// The value of a case without one.
public struct Nothing: FieldValue {
  public static let typeName = "nothing"
  public var leaves: Int { 0 }
  public init() {}
  public func encode(to out: inout ByteWriter) {}
  public static func decode(_ bytes: inout ByteReader) throws(Diagnostic) -> Nothing { Nothing() }
  public func writeField(to out: inout TextWriter) {}
  public static func parse(_ text: inout TextReader) throws(Diagnostic) -> Nothing { Nothing() }
  public mutating func mutate(leaf: Int, using random: inout SeededRandom) -> String { "" }
}
