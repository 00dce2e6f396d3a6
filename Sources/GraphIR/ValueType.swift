import Support
import Tensors

/// One extent of a value's shape.
public enum Dimension: Hashable, Sendable {
  case fixed(Int)
  /// Known when the graph runs. Equal names are equal extents; the empty name, printed `?`, is an extent of
  /// which nothing is known.
  case symbol(String)

  public static let unknown = Dimension.symbol("")

  @inlinable public var extent: Int? {
    guard case .fixed(let extent) = self else { return nil }
    return extent
  }
}

extension Dimension: ExpressibleByIntegerLiteral {
  public init(integerLiteral extent: Int) { self = .fixed(extent) }
}

/// What a value of the graph is: `f32[batch,3,224,224]`.
public struct ValueType: Hashable, Sendable {
  public let element: ElementType
  public let shape: [Dimension]

  public init(_ element: ElementType, _ shape: [Dimension]) {
    self.element = element
    self.shape = shape
  }

  public init(_ type: TensorType) { self.init(type.element, type.shape.map(Dimension.fixed)) }

  public var rank: Int { shape.count }

  /// The extents, or nil where one is symbolic.
  public var extents: [Int]? {
    let extents = shape.compactMap(\.extent)
    return extents.count == shape.count ? extents : nil
  }

  /// The type of the value's tensor, or nil where an extent is symbolic.
  public var concrete: TensorType? { extents.map { TensorType(element, $0) } }

  /// - Throws: `symbolicShape` where an extent is symbolic.
  public func requireConcrete() throws(Diagnostic) -> TensorType {
    guard let concrete else {
      throw Diagnostic(.symbolicShape, "\(self) is not fixed", help: "fix it with --dim name=extent")
    }
    return concrete
  }

  /// The same with the named symbols fixed.
  public func binding(_ symbols: [String: Int]) -> ValueType {
    ValueType(
      element,
      shape.map { dimension in
        guard case .symbol(let name) = dimension, let extent = symbols[name] else { return dimension }
        return .fixed(extent)
      })
  }
}

extension Dimension: TextForm {
  public func write(to out: inout TextWriter) {
    switch self {
    case .fixed(let extent): out.write(extent)
    case .symbol(""): out.write("?")
    case .symbol(let name): out.bareOrQuoted(name)
    }
  }

  public init(parsing text: inout TextReader) throws(Diagnostic) {
    if text.accept("?") {
      self = .unknown
    } else if text.isAtQuote {
      self = .symbol(try text.quoted())
    } else {
      let word = try text.word()
      self = Int(word).map(Dimension.fixed) ?? .symbol(word)
    }
  }
}

extension ValueType: TextForm, CustomStringConvertible {
  public var description: String { text }

  public func write(to out: inout TextWriter) {
    out.write(element.rawValue)
    out.write("[")
    out.list(shape, separator: ",")
    out.write("]")
  }

  public init(parsing text: inout TextReader) throws(Diagnostic) {
    let start = text
    guard let element = ElementType(rawValue: try text.word()) else {
      throw start.expected("an element type")
    }
    try text.expect("[")
    self.init(element, try text.list(until: "]"))
  }
}

extension TextReader {
  /// Whether a quoted name comes next.
  var isAtQuote: Bool {
    var lookahead = self
    return lookahead.accept("\"")
  }
}

extension TextWriter {
  /// `name` as a word where it reads back as one that is no number and none of `keywords`.
  mutating func bareOrQuoted(_ name: String, except keywords: [String] = []) {
    let bytes = Array(name.utf8)
    let isLetter = { (byte: UInt8) in (0x41...0x5A).contains(byte & 0xDF) || byte == 0x5F }
    let isBare =
      bytes.first.map(isLetter) == true
      && bytes.allSatisfy { isLetter($0) || (0x30...0x39).contains($0) || $0 == 0x2E }
    if isBare, !keywords.contains(name) { write(name) } else { quoted(name) }
  }
}
