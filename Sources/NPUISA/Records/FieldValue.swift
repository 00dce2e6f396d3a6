import Support
import Tensors

/// What a field of an instruction may hold: its binary and its text form, and how a mutant of it is drawn.
public protocol FieldValue: Hashable, Sendable {
  /// For the page of the instruction set.
  static var typeName: String { get }
  func encode(to out: inout ByteWriter)
  /// - Throws: `malformedInstruction` or `malformedFile` unless the bytes begin with exactly what `encode` makes
  ///   of some value.
  static func decode(_ bytes: inout ByteReader) throws(Diagnostic) -> Self
  func writeField(to out: inout TextWriter)
  /// - Throws: `syntax`.
  static func parse(_ text: inout TextReader) throws(Diagnostic) -> Self
  /// What a limit bounds: the number itself, or the number of elements.
  var measure: Int? { get }
  /// Places where a mutant may differ.
  var leaves: Int { get }
  /// Changes the place `leaf`, 0 ..< leaves, to another value. Returns the path to it.
  mutating func mutate(leaf: Int, using random: inout SeededRandom) -> String
}

extension FieldValue {
  public var measure: Int? { nil }
}

func malformed(_ message: String) -> Diagnostic { Diagnostic(.malformedInstruction, message) }

extension FieldValue where Self: FixedWidthInteger {
  public static var typeName: String { "\(isSigned ? "i" : "u")\(bitWidth)" }
  public var measure: Int? { Int(exactly: self) }
  public var leaves: Int { 1 }

  /// Seven bits per byte, the least first, the top bit set where more follow; signed numbers in zigzag order.
  public func encode(to out: inout ByteWriter) {
    let wide = Int64(truncatingIfNeeded: self)
    var rest =
      Self.isSigned ? UInt64(bitPattern: (wide << 1) ^ (wide >> 63)) : UInt64(truncatingIfNeeded: self)
    while rest >= 0x80 {
      out.integer(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    out.integer(UInt8(rest))
  }

  public static func decode(_ bytes: inout ByteReader) throws(Diagnostic) -> Self {
    var value: UInt64 = 0
    var shift: UInt64 = 0
    while true {
      let byte: UInt8 = try bytes.integer()
      guard shift < 63 || (shift == 63 && byte <= 1) else { throw malformed("a number exceeds 64 bits") }
      value |= UInt64(byte & 0x7F) << shift
      guard byte & 0x80 != 0 else {
        guard byte != 0 || shift == 0 else { throw malformed("a number has more bytes than it needs") }
        break
      }
      shift += 7
    }
    let signed = Int64(bitPattern: value >> 1) ^ -Int64(bitPattern: value & 1)
    guard let result = isSigned ? Self(exactly: signed) : Self(exactly: value) else {
      throw malformed("\(isSigned ? "\(signed)" : "\(value)") does not fit \(typeName)")
    }
    return result
  }

  public func writeField(to out: inout TextWriter) { out.decimal(self) }
  public static func parse(_ text: inout TextReader) throws(Diagnostic) -> Self { try text.integer() }

  public mutating func mutate(leaf: Int, using random: inout SeededRandom) -> String {
    let old = self
    while self == old {
      switch Int.random(in: 0..<6, using: &random) {
      case 0: self = old &+ 1
      case 1: self = old &- 1
      case 2: self = old ^ (1 << Self.random(in: 0..<Self(Self.bitWidth), using: &random))
      case 3: self = old &* 2
      case 4: self = 0
      default: self = old &+ Self(truncatingIfNeeded: Int.random(in: -64...64, using: &random))
      }
    }
    return ""
  }
}

extension UInt8: FieldValue {}
extension UInt16: FieldValue {}
extension UInt32: FieldValue {}
extension Int16: FieldValue {}
extension Int32: FieldValue {}
extension Int64: FieldValue {}
extension Int: FieldValue {}

extension Bool: FieldValue {
  public static var typeName: String { "bool" }
  public var leaves: Int { 1 }
  public func encode(to out: inout ByteWriter) { out.integer(self ? 1 : 0 as UInt8) }
  public static func decode(_ bytes: inout ByteReader) throws(Diagnostic) -> Bool {
    let byte: UInt8 = try bytes.integer()
    guard byte <= 1 else { throw malformed("\(byte) is neither 0 nor 1") }
    return byte == 1
  }
  public func writeField(to out: inout TextWriter) { write(to: &out) }
  public static func parse(_ text: inout TextReader) throws(Diagnostic) -> Bool { try Bool(parsing: &text) }
  public mutating func mutate(leaf: Int, using random: inout SeededRandom) -> String {
    toggle()
    return ""
  }
}

extension String: FieldValue {
  public static var typeName: String { "text" }
  public var leaves: Int { 0 }
  public func encode(to out: inout ByteWriter) {
    utf8.count.encode(to: &out)
    out.append(self)
  }
  public static func decode(_ bytes: inout ByteReader) throws(Diagnostic) -> String {
    let count = try Int.decode(&bytes)
    return try bytes.string(count)
  }
  public func writeField(to out: inout TextWriter) { out.quoted(self) }
  public static func parse(_ text: inout TextReader) throws(Diagnostic) -> String { try text.quoted() }
  public mutating func mutate(leaf: Int, using random: inout SeededRandom) -> String { "" }
}

/// A choice without values: its number, and its name in text.
public protocol FieldEnum: FieldValue, RawRepresentable, CaseIterable where RawValue == UInt8 {}

extension FieldEnum {
  public static var typeName: String { allCases.map { "`\($0)`" }.joined(separator: ", ") }
  public var leaves: Int { 1 }
  public func encode(to out: inout ByteWriter) { out.integer(rawValue) }
  public static func decode(_ bytes: inout ByteReader) throws(Diagnostic) -> Self {
    let byte: UInt8 = try bytes.integer()
    guard let value = Self(rawValue: byte) else { throw malformed("\(byte) is no choice of \(Self.self)") }
    return value
  }
  public func writeField(to out: inout TextWriter) { out.write("\(self)") }
  public static func parse(_ text: inout TextReader) throws(Diagnostic) -> Self {
    let start = text
    let word = try text.word()
    guard let value = allCases.first(where: { "\($0)" == word }) else {
      throw start.expected("one of \(typeName)")
    }
    return value
  }
  public mutating func mutate(leaf: Int, using random: inout SeededRandom) -> String {
    let others = Self.allCases.filter { $0 != self }
    self = others.randomElement(using: &random) ?? self
    return ""
  }
}

extension ElementType: FieldValue {
  public static var typeName: String { "element type" }
  public var leaves: Int { 1 }
  public func encode(to out: inout ByteWriter) {
    out.integer(UInt8(Self.allCases.firstIndex(of: self) ?? 0))
  }
  public static func decode(_ bytes: inout ByteReader) throws(Diagnostic) -> ElementType {
    let byte: UInt8 = try bytes.integer()
    guard byte < allCases.count else { throw malformed("\(byte) is no element type") }
    return allCases[Int(byte)]
  }
  public func writeField(to out: inout TextWriter) { out.write(rawValue) }
  public static func parse(_ text: inout TextReader) throws(Diagnostic) -> ElementType {
    let start = text
    guard let element = ElementType(rawValue: try text.word()) else {
      throw start.expected("an element type")
    }
    return element
  }
  public mutating func mutate(leaf: Int, using random: inout SeededRandom) -> String {
    let others = Self.allCases.filter { $0 != self }
    self = others.randomElement(using: &random) ?? self
    return ""
  }
}

extension TensorType: FieldValue {
  public static var typeName: String { "tensor type" }
  public var leaves: Int { 0 }
  public func encode(to out: inout ByteWriter) {
    element.encode(to: &out)
    shape.encode(to: &out)
  }
  public static func decode(_ bytes: inout ByteReader) throws(Diagnostic) -> TensorType {
    TensorType(try ElementType.decode(&bytes), try [Int].decode(&bytes))
  }
  public func writeField(to out: inout TextWriter) { write(to: &out) }
  public static func parse(_ text: inout TextReader) throws(Diagnostic) -> TensorType {
    try TensorType(parsing: &text)
  }
  public mutating func mutate(leaf: Int, using random: inout SeededRandom) -> String { "" }
}

extension Array: FieldValue where Element: FieldValue {
  public static var typeName: String { "list of \(Element.typeName)" }
  public var measure: Int? { count }
  /// Those of the elements, and one for the removal of an element.
  public var leaves: Int { reduce(isEmpty ? 0 : 1) { $0 + $1.leaves } }

  public func encode(to out: inout ByteWriter) {
    count.encode(to: &out)
    for element in self { element.encode(to: &out) }
  }

  public static func decode(_ bytes: inout ByteReader) throws(Diagnostic) -> [Element] {
    let count = try Int.decode(&bytes)
    guard count >= 0, count <= bytes.remaining else {
      throw malformed("\(count) elements in \(bytes.remaining) bytes")
    }
    var elements: [Element] = []
    elements.reserveCapacity(count)
    for _ in 0..<count { elements.append(try Element.decode(&bytes)) }
    return elements
  }

  public func writeField(to out: inout TextWriter) {
    out.write("[")
    for (index, element) in enumerated() {
      if index > 0 { out.write(", ") }
      element.writeField(to: &out)
    }
    out.write("]")
  }

  public static func parse(_ text: inout TextReader) throws(Diagnostic) -> [Element] {
    try text.expect("[")
    var elements: [Element] = []
    guard !text.accept("]") else { return elements }
    repeat { elements.append(try Element.parse(&text)) } while text.accept(",")
    try text.expect("]")
    return elements
  }

  public mutating func mutate(leaf: Int, using random: inout SeededRandom) -> String {
    var leaf = leaf
    for index in indices {
      let count = self[index].leaves
      if leaf < count { return "\(index)" + pathRest(self[index].mutate(leaf: leaf, using: &random)) }
      leaf -= count
    }
    if let index = indices.randomElement(using: &random) { remove(at: index) }
    return "removed"
  }
}

/// `.` and the rest of a path, or nothing.
func pathRest(_ rest: String) -> String { rest.isEmpty ? "" : "." + rest }
