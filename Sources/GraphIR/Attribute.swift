import Support
import Tensors

/// A named compile-time argument of a node: `alpha = 0.5`. Graphs are not among the values: they are the
/// node's regions.
public struct Attribute: Equatable, Sendable {
  public enum Value: Equatable, Sendable {
    case int(Int64)
    case float(Float)
    case string(String)
    case tensor(Tensor)
    case ints([Int64])
    case floats([Float])
    case strings([String])

    /// Floats compare by their bits, so that a graph with NaN equals itself.
    public static func == (left: Value, right: Value) -> Bool {
      switch (left, right) {
      case (.int(let a), .int(let b)): a == b
      case (.float(let a), .float(let b)): a.bitPattern == b.bitPattern
      case (.string(let a), .string(let b)): a.utf8.elementsEqual(b.utf8)
      case (.tensor(let a), .tensor(let b)): a == b
      case (.ints(let a), .ints(let b)): a == b
      case (.floats(let a), .floats(let b)): a.map(\.bitPattern) == b.map(\.bitPattern)
      case (.strings(let a), .strings(let b)): a == b
      default: false
      }
    }
  }

  public let name: String
  public let value: Value

  public init(_ name: String, _ value: Value) {
    self.name = name
    self.value = value
  }
}

extension Attribute {
  func write(to out: inout TextWriter) {
    out.bareOrQuoted(name)
    out.write(" = ")
    switch value {
    case .int(let value): out.write(value)
    case .float(let value): out.write(value)
    case .string(let value): out.quoted(value)
    case .tensor(let tensor):
      out.write("tensor \(tensor.type) ")
      out.write(literal: tensor)
    case .ints(let values): out.bracketed(values.isEmpty ? "ints" : "", values)
    case .floats(let values): out.bracketed(values.isEmpty ? "floats" : "", values)
    case .strings(let values):
      out.bracketed(values.isEmpty ? "strings" : "", values.map(QuotedText.init(string:)))
    }
  }

  /// A number is an integer unless it has a point, an exponent or the `0x` of float bits.
  init(parsing text: inout TextReader, constants: ConstantPool) throws(Diagnostic) {
    name = text.isAtQuote ? try text.quoted() : try text.word()
    try text.expect("=")
    if text.isAtQuote {
      value = .string(try text.quoted())
    } else if text.accept("tensor") {
      let type = try TensorType(parsing: &text)
      value = .tensor(try text.literal(of: type, constants: constants))
    } else if text.accept("ints") {
      try text.expect("[")
      value = .ints(try text.list(until: "]"))
    } else if text.accept("floats") {
      try text.expect("[")
      value = .floats(try text.list(until: "]"))
    } else if text.accept("strings") {
      try text.expect("[")
      value = .strings(try text.list(until: "]", of: QuotedText.self).map(\.string))
    } else if text.accept("[") {
      if text.isAtQuote {
        value = .strings(try text.list(until: "]", of: QuotedText.self).map(\.string))
      } else if try text.isAtFloat {
        value = .floats(try text.list(until: "]"))
      } else {
        value = .ints(try text.list(until: "]"))
      }
    } else {
      value = try text.isAtFloat ? .float(try Float(parsing: &text)) : .int(try text.integer())
    }
  }
}

extension Attribute: CustomStringConvertible {
  public var description: String {
    var out = TextWriter()
    write(to: &out)
    return out.text
  }
}

extension TextReader {
  fileprivate var isAtFloat: Bool {
    get throws(Diagnostic) {
      var lookahead = self
      return try lookahead.word().contains { ".ex".contains($0) }
    }
  }
}

extension TextWriter {
  fileprivate mutating func bracketed(_ prefix: String, _ items: [some TextForm]) {
    write(prefix.isEmpty ? "[" : "\(prefix) [")
    list(items)
    write("]")
  }
}

/// A string as an item of a list.
private struct QuotedText: TextForm {
  let string: String

  init(string: String) { self.string = string }
  init(parsing text: inout TextReader) throws(Diagnostic) { string = try text.quoted() }
  func write(to out: inout TextWriter) { out.quoted(string) }
}
