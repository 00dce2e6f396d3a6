import Support

/// A JSON value as read. Numbers keep their text, so that each reads as the type that it is for.
enum JSONText: Equatable {
  case null
  case bool(Bool)
  case number(String)
  case string(String)
  case array([JSONText])
  case object([(name: String, value: JSONText)])

  static func == (left: JSONText, right: JSONText) -> Bool {
    switch (left, right) {
    case (.null, .null): true
    case (.bool(let a), .bool(let b)): a == b
    case (.number(let a), .number(let b)), (.string(let a), .string(let b)): a == b
    case (.array(let a), .array(let b)): a == b
    case (.object(let a), .object(let b)): a.elementsEqual(b) { $0.name == $1.name && $0.value == $1.value }
    default: false
    }
  }

  /// - Throws: `syntax` with the line.
  init(_ text: String) throws(Diagnostic) {
    var reader = JSONReader(text)
    self = try reader.value(depth: 0)
    guard reader.isAtEnd else { throw reader.expected("the end of the text") }
  }

  /// The member of that name, of an object.
  subscript(name: String) -> JSONText? {
    guard case .object(let members) = self else { return nil }
    return members.last { $0.name == name }?.value
  }

  static func quoted(_ text: String) -> String {
    var quoted = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": quoted += "\\\""
      case "\\": quoted += "\\\\"
      case "\n": quoted += "\\n"
      case "\t": quoted += "\\t"
      case "\0"..<" ":
        let digits = String(scalar.value, radix: 16)
        quoted += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      default: quoted.unicodeScalars.append(scalar)
      }
    }
    return quoted + "\""
  }
}

/// A cursor over JSON, which RFC 8259 defines.
private struct JSONReader {
  private let bytes: [UInt8]
  private var position = 0

  init(_ text: String) {
    bytes = Array(text.utf8)
    skipBlanks()
  }

  var isAtEnd: Bool { position == bytes.count }

  func expected(_ what: String) -> Diagnostic {
    let line = 1 + bytes[..<position].count { $0 == UInt8(ascii: "\n") }
    let found =
      isAtEnd ? "end of text" : "'\(String(decoding: bytes[position...].prefix(12), as: UTF8.self))'"
    return Diagnostic(.syntax, at: .line(line), "expected \(what), found \(found)")
  }

  mutating func value(depth: Int) throws(Diagnostic) -> JSONText {
    guard depth < 64 else { throw expected("values nested at most 64 deep") }
    if accept("{") { return .object(try members(depth: depth)) }
    if accept("[") { return .array(try items(depth: depth)) }
    if accept("null") { return .null }
    if accept("true") { return .bool(true) }
    if accept("false") { return .bool(false) }
    if !isAtEnd, bytes[position] == UInt8(ascii: "\"") { return .string(try string()) }
    let digits = bytes[position...].prefix { "+-.0123456789eE".utf8.contains($0) }
    let number = String(decoding: digits, as: UTF8.self)
    guard let first = digits.first, first == UInt8(ascii: "-") || (0x30...0x39).contains(first),
      Double(number) != nil
    else { throw expected("a value") }
    position = digits.endIndex
    skipBlanks()
    return .number(number)
  }

  private mutating func members(depth: Int) throws(Diagnostic) -> [(name: String, value: JSONText)] {
    var members: [(name: String, value: JSONText)] = []
    if accept("}") { return members }
    repeat {
      let name = try string()
      try expect(":")
      members.append((name, try value(depth: depth + 1)))
    } while accept(",")
    try expect("}")
    return members
  }

  private mutating func items(depth: Int) throws(Diagnostic) -> [JSONText] {
    var items: [JSONText] = []
    if accept("]") { return items }
    repeat { items.append(try value(depth: depth + 1)) } while accept(",")
    try expect("]")
    return items
  }

  private mutating func string() throws(Diagnostic) -> String {
    guard !isAtEnd, bytes[position] == UInt8(ascii: "\"") else { throw expected("a string") }
    position += 1
    var content: [UInt8] = []
    while !isAtEnd, bytes[position] != UInt8(ascii: "\"") {
      guard bytes[position] >= 0x20 else { throw expected("no control character in a string") }
      guard bytes[position] == UInt8(ascii: "\\") else {
        content.append(bytes[position])
        position += 1
        continue
      }
      position += 1
      content += Array(String(Character(try escape())).utf8)
    }
    try expect("\"")
    return String(decoding: content, as: UTF8.self)
  }

  private mutating func escape() throws(Diagnostic) -> Unicode.Scalar {
    guard !isAtEnd else { throw expected("an escape") }
    let code = bytes[position]
    position += 1
    switch code {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return Unicode.Scalar(code)
    case UInt8(ascii: "b"): return "\u{8}"
    case UInt8(ascii: "f"): return "\u{c}"
    case UInt8(ascii: "n"): return "\n"
    case UInt8(ascii: "r"): return "\r"
    case UInt8(ascii: "t"): return "\t"
    case UInt8(ascii: "u"):
      let unit = try hexadecimal()
      guard (0xD800..<0xDC00).contains(unit) else { return Unicode.Scalar(unit) ?? "\u{FFFD}" }
      guard bytes[position...].starts(with: "\\u".utf8) else { return "\u{FFFD}" }
      position += 2
      let low = try hexadecimal()
      guard (0xDC00..<0xE000).contains(low) else { return "\u{FFFD}" }
      return Unicode.Scalar(0x10000 + (unit - 0xD800) << 10 + (low - 0xDC00)) ?? "\u{FFFD}"
    default: throw expected("an escape")
    }
  }

  private mutating func hexadecimal() throws(Diagnostic) -> UInt32 {
    let digits = bytes[position...].prefix(4)
    guard digits.count == 4, let unit = UInt32(String(decoding: digits, as: UTF8.self), radix: 16) else {
      throw expected("four hexadecimal digits")
    }
    position += 4
    return unit
  }

  private mutating func accept(_ token: String) -> Bool {
    guard bytes[position...].starts(with: token.utf8) else { return false }
    position += token.utf8.count
    skipBlanks()
    return true
  }

  private mutating func expect(_ token: String) throws(Diagnostic) {
    guard accept(token) else { throw expected("'\(token)'") }
  }

  private mutating func skipBlanks() {
    while !isAtEnd, " \n\r\t".utf8.contains(bytes[position]) { position += 1 }
  }
}
