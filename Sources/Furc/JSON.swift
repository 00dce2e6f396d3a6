/// A JSON value that prints the same bytes on every host: members stay in the order in which they are given.
public enum JSON: Equatable, Sendable {
  /// `null`.
  case null
  /// `true` or `false`.
  case bool(Bool)
  /// A number without decimals.
  case integer(Int)
  /// Printed with so many decimals; what is not finite prints as null.
  case number(Double, decimals: Int)
  /// Text, escaped when it is written.
  case string(String)
  /// Values in their order.
  case array([JSON])
  /// Members in their order.
  case object([Member])

  /// A name and its value.
  public struct Member: Equatable, Sendable {
    /// The key.
    public let name: String
    /// What the key says.
    public let value: JSON

    /// A member of an object.
    public init(_ name: String, _ value: JSON) {
      self.name = name
      self.value = value
    }
  }

  /// The members' values by name, for objects.
  public subscript(name: String) -> JSON? {
    guard case .object(let members) = self else { return nil }
    return members.first { $0.name == name }?.value
  }

  /// The names of an object's members, in order.
  public var names: [String] {
    guard case .object(let members) = self else { return [] }
    return members.map(\.name)
  }

  /// On one line.
  public var text: String {
    var out: [UInt8] = []
    write(to: &out)
    return String(decoding: out, as: UTF8.self)
  }

  private func write(to out: inout [UInt8]) {
    switch self {
    case .null: out += "null".utf8
    case .bool(let value): out += (value ? "true" : "false").utf8
    case .integer(let value): out += "\(value)".utf8
    case .number(let value, let decimals):
      out += (value.isFinite ? fixed(value, decimals) : "null").utf8
    case .string(let text): Self.quote(text, to: &out)
    case .array(let items):
      out += "[".utf8
      for (index, item) in items.enumerated() {
        if index > 0 { out += ", ".utf8 }
        item.write(to: &out)
      }
      out += "]".utf8
    case .object(let members):
      out += "{".utf8
      for (index, member) in members.enumerated() {
        if index > 0 { out += ", ".utf8 }
        Self.quote(member.name, to: &out)
        out += ": ".utf8
        member.value.write(to: &out)
      }
      out += "}".utf8
    }
  }

  private static func quote(_ text: String, to out: inout [UInt8]) {
    let digits = Array("0123456789abcdef".utf8)
    out.append(UInt8(ascii: "\""))
    for byte in text.utf8 {
      switch byte {
      case UInt8(ascii: "\""): out += "\\\"".utf8
      case UInt8(ascii: "\\"): out += "\\\\".utf8
      case UInt8(ascii: "\n"): out += "\\n".utf8
      case UInt8(ascii: "\t"): out += "\\t".utf8
      case 0..<0x20: out += "\\u00".utf8 + [digits[Int(byte >> 4)], digits[Int(byte & 15)]]
      default: out.append(byte)
      }
    }
    out.append(UInt8(ascii: "\""))
  }
}

/// A finite number with so many decimals, rounded half away from zero; no exponent.
public func fixed(_ value: Double, _ decimals: Int) -> String {
  var scale = 1.0
  for _ in 0..<decimals { scale *= 10 }
  let scaled = (abs(value) * scale).rounded()
  guard scaled < 1e15 else { return "\(value)" }
  let digits = String(Int(scaled))
  let padded = String(repeating: "0", count: max(0, decimals + 1 - digits.count)) + digits
  let sign = value < 0 && scaled > 0 ? "-" : ""
  return decimals == 0
    ? sign + padded : sign + padded.dropLast(decimals) + "." + padded.suffix(decimals)
}
