import Support

/// What precedes the elements of a `.npy` file (NumPy enhancement proposal 1, versions 1.0 to 3.0).
struct NPYHeader {
  enum Element: Equatable {
    case number(ElementType)
    /// So many UTF-32 code points, padded with zeros.
    case text(codePoints: Int)
    /// So many bytes, padded with zeros.
    case bytes(Int)

    var size: Int {
      switch self {
      case .number(let type): type.size
      case .text(let count): 4 * count
      case .bytes(let count): count
      }
    }
  }

  var element: Element
  var isBigEndian = false
  var isColumnMajor: Bool
  var shape: [Int]

  private static let magic: [UInt8] = [0x93] + Array("NUMPY".utf8)
  /// NumPy's own limit.
  private static let maximumRank = 64

  /// Leaves `reader` at the first element. - Throws: `malformedFile`, `unsupportedFile`.
  init(_ reader: inout ByteReader) throws(Diagnostic) {
    guard reader.remaining >= 10, try reader.take(6).elementsEqual(Self.magic) else {
      throw reader.malformed("is not a .npy file")
    }
    let major = try reader.integer(UInt8.self)
    _ = try reader.integer(UInt8.self)
    let length: Int
    switch major {
    case 1: length = Int(try reader.integer(UInt16.self))
    case 2, 3: length = Int(try reader.integer(UInt32.self))
    default: throw Diagnostic(.unsupportedFile, "\(reader.name): version \(major) of .npy; known are 1 to 3")
    }
    var literal = DictionaryLiteral(try reader.take(length), name: reader.name)
    var values: [String: DictionaryLiteral.Value] = [:]
    for (key, value) in try literal.entries() {
      guard values.updateValue(value, forKey: key) == nil else {
        throw reader.malformed("the header names '\(key)' twice")
      }
    }
    guard values.count == 3, case .text(let description)? = values["descr"],
      case .flag(let isColumnMajor)? = values["fortran_order"], case .tuple(let shape)? = values["shape"],
      shape.count <= Self.maximumRank
    else { throw reader.malformed("the header is not that of an array") }
    self.isColumnMajor = isColumnMajor
    self.shape = shape
    (element, isBigEndian) = try Self.element(description, reader)
  }

  private static func element(
    _ description: String, _ reader: ByteReader
  ) throws(Diagnostic) -> (Element, isBigEndian: Bool) {
    let order = description.first ?? "?"
    let name = String(description.dropFirst())
    let known = ["<", ">", "|", "="].contains(order)
    if known, let type = types.first(where: { $0.name == name })?.type {
      return (.number(type), order == ">")
    }
    if known, let kind = name.first, let count = Int(name.dropFirst()), (0...0xFF_FFFF).contains(count) {
      if kind == "U" { return (.text(codePoints: count), order == ">") }
      if kind == "S" { return (.bytes(count), false) }
    }
    let names = types.map(\.name).joined(separator: ", ")
    throw Diagnostic(
      .unsupportedFile, "\(reader.name): elements of NumPy type '\(description)'; read are \(names), U, S")
  }

  /// NumPy's names without byte order.
  static let types: [(name: String, type: ElementType)] = [
    ("b1", .bool), ("i1", .i8), ("u1", .u8), ("i2", .i16), ("u2", .u16), ("i4", .i32), ("u4", .u32),
    ("i8", .i64), ("u8", .u64), ("f2", .f16), ("f4", .f32), ("f8", .f64),
  ]

  /// A header of version 1.0, padded so that the elements start at a multiple of 64.
  /// - Parameter description: with byte order, `<f4`.
  static func bytes(_ description: String, _ shape: [Int]) -> [UInt8] {
    let extents = shape.map(String.init).joined(separator: ", ") + (shape.count == 1 ? "," : "")
    let text = "{'descr': '\(description)', 'fortran_order': False, 'shape': (\(extents)), }"
    let unpadded = magic.count + 4 + text.utf8.count + 1
    let padding = String(repeating: " ", count: unpadded.paddingToMultiple(of: 64))
    var writer = ByteWriter()
    writer.append(magic)
    writer.append([1, 0])
    writer.integer(UInt16(clamping: text.utf8.count + padding.utf8.count + 1))
    writer.append(text + padding + "\n")
    return writer.bytes
  }
}

/// The part of Python's literal syntax that NumPy writes: a dictionary of texts, truth values and tuples of
/// integers.
private struct DictionaryLiteral {
  enum Value {
    case text(String)
    case flag(Bool)
    case tuple([Int])
  }

  private let bytes: [UInt8]
  private let name: String
  private var position = 0

  init(_ bytes: UnsafeRawBufferPointer, name: String) {
    self.bytes = Array(bytes)
    self.name = name
  }

  mutating func entries() throws(Diagnostic) -> [(String, Value)] {
    var entries: [(String, Value)] = []
    try expect("{")
    while !accept("}") {
      let key = try text()
      try expect(":")
      entries.append((key, try value()))
      if !accept(",") {
        try expect("}")
        break
      }
    }
    skipBlanks()
    guard position == bytes.count else { throw malformed() }
    return entries
  }

  private mutating func value() throws(Diagnostic) -> Value {
    if accept("True") { return .flag(true) }
    if accept("False") { return .flag(false) }
    if accept("(") { return .tuple(try integers()) }
    if accept("[") {
      throw Diagnostic(.unsupportedFile, "\(name): an array of records; read are arrays of numbers and texts")
    }
    return .text(try text())
  }

  /// After `(`. Version 1 files of Python 2 write `3L`.
  private mutating func integers() throws(Diagnostic) -> [Int] {
    var values: [Int] = []
    while !accept(")") {
      skipBlanks()
      let digits = bytes[position...].prefix { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
      guard let value = Int(String(decoding: digits, as: UTF8.self)) else { throw malformed() }
      position = digits.endIndex
      values.append(value)
      _ = accept("L")
      if !accept(",") {
        try expect(")")
        break
      }
    }
    return values
  }

  private mutating func text() throws(Diagnostic) -> String {
    guard let quote = accept("'") ? UInt8(ascii: "'") : accept("\"") ? UInt8(ascii: "\"") : nil else {
      throw malformed()
    }
    let content = bytes[position...].prefix { $0 != quote }
    guard content.endIndex < bytes.count, !content.contains(UInt8(ascii: "\\")) else { throw malformed() }
    position = content.endIndex + 1
    return String(decoding: content, as: UTF8.self)
  }

  private mutating func accept(_ token: String) -> Bool {
    skipBlanks()
    guard bytes[position...].starts(with: token.utf8) else { return false }
    position += token.utf8.count
    return true
  }

  private mutating func expect(_ token: String) throws(Diagnostic) {
    guard accept(token) else { throw malformed() }
  }

  private mutating func skipBlanks() {
    while position < bytes.count, [0x20, 0x0A, 0x0D, 0x09].contains(bytes[position]) { position += 1 }
  }

  private func malformed() -> Diagnostic {
    Diagnostic(.malformedFile, "\(name): the .npy header is not understood at its byte \(position)")
  }
}
