import Support
import Tensors

/// `{ r0 = input; r1 = integer 3; r2 = subtract r0 r1; return r2 }`.
extension Program: TextForm, CustomStringConvertible {
  public var description: String { text }

  public func write(to out: inout TextWriter) { write(to: &out, indent: nil) }

  /// - Parameter indent: where lines begin, or nil for a program on one line.
  func write(to out: inout TextWriter, indent: String?) {
    let lead = indent.map { "\n" + $0 + "  " } ?? " "
    let separator = indent == nil ? ";" : ""
    out.write("{")
    for register in steps.ids {
      out.write(lead)
      out.write(register)
      out.write(" = ")
      out.write(steps[register])
      out.write(separator)
    }
    out.write(lead + "return ")
    out.write(result)
    out.write(indent.map { "\n" + $0 + "}" } ?? " }")
  }

  public init(parsing text: inout TextReader) throws(Diagnostic) {
    var steps: [Step] = []
    try text.expect("{")
    while !text.accept("return") {
      let start = text
      guard try Register(parsing: &text).index == steps.count else {
        throw start.expected("the definition of r\(steps.count)")
      }
      try text.expect("=")
      steps.append(try Step(parsing: &text))
      _ = text.accept(";")
    }
    self.init(steps: steps, result: try Register(parsing: &text))
    _ = text.accept(";")
    try text.expect("}")
  }
}

/// The name of the step, then its parameters: `requant r0 multiplier r1 shift r2 zero -1 in -128 127`.
extension Program.Step: TextForm {
  public func write(to out: inout TextWriter) {
    out.write(name)
    switch self {
    case .input: break
    case .operand(let index): out.write(" \(index)")
    case .integer(let value): out.write(" \(value)")
    case .float(let bits):
      out.write(" ")
      out.write(Float(bitPattern: bits))
    case .unary, .binary, .fma, .select: break
    case .convert(let element, _): out.write(" " + element.rawValue)
    case .table(let index, _): out.write(" \(index)")
    case .requant, .quantize, .dequantize: break
    }
    let labels = labels
    for (index, register) in reads.enumerated() {
      out.write(" " + labels[index])
      out.write(register)
    }
    switch self {
    case .requant(_, _, _, let zeroPoint, let low, let high),
      .quantize(_, _, let zeroPoint, let low, let high):
      out.write(" zero \(zeroPoint) in \(low) \(high)")
    case .dequantize(_, _, let zeroPoint): out.write(" zero \(zeroPoint)")
    default: break
    }
  }

  /// What precedes each register that the step reads.
  private var labels: [String] {
    switch self {
    case .requant: ["", "multiplier ", "shift "]
    case .quantize, .dequantize: ["", "scale "]
    default: ["", "", ""]
    }
  }

  public init(parsing text: inout TextReader) throws(Diagnostic) {
    let start = text
    let name = try text.word()
    if let op = Program.Unary(rawValue: name) {
      self = .unary(op, try Register(parsing: &text))
      return
    }
    if let op = Program.Binary(rawValue: name) {
      self = .binary(op, try Register(parsing: &text), try Register(parsing: &text))
      return
    }
    switch name {
    case "input": self = .input
    case "operand": self = .operand(try text.integer())
    case "integer": self = .integer(try text.integer())
    case "float": self = .float(try Float(parsing: &text).bitPattern)
    case "fma":
      self = .fma(try Register(parsing: &text), try Register(parsing: &text), try Register(parsing: &text))
    case "select":
      self = .select(try Register(parsing: &text), try Register(parsing: &text), try Register(parsing: &text))
    case "convert": self = .convert(try ElementType(parsing: &text), try Register(parsing: &text))
    case "table": self = .table(try text.integer(), try Register(parsing: &text))
    case "requant":
      let sum = try Register(parsing: &text)
      try text.expect("multiplier")
      let multiplier = try Register(parsing: &text)
      try text.expect("shift")
      let shift = try Register(parsing: &text)
      let (zeroPoint, low, high) = try Self.limits(&text)
      self = .requant(sum, multiplier: multiplier, shift: shift, zeroPoint: zeroPoint, low: low, high: high)
    case "quantize":
      let value = try Register(parsing: &text)
      try text.expect("scale")
      let scale = try Register(parsing: &text)
      let (zeroPoint, low, high) = try Self.limits(&text)
      self = .quantize(value, scale: scale, zeroPoint: zeroPoint, low: low, high: high)
    case "dequantize":
      let value = try Register(parsing: &text)
      try text.expect("scale")
      let scale = try Register(parsing: &text)
      try text.expect("zero")
      self = .dequantize(value, scale: scale, zeroPoint: try text.integer())
    default: throw start.expected("a step")
    }
  }

  private static func limits(
    _ text: inout TextReader
  ) throws(Diagnostic) -> (zeroPoint: Int32, low: Int32, high: Int32) {
    try text.expect("zero")
    let zeroPoint: Int32 = try text.integer()
    try text.expect("in")
    return (zeroPoint, try text.integer(), try text.integer())
  }
}

/// `from -128 f32 [0.5, 1.0]`.
extension Table: TextForm {
  public func write(to out: inout TextWriter) {
    out.write("from \(low) \(isFloat ? "f32" : "i32") [")
    if isFloat {
      out.list(entries.map { Float(bitPattern: $0) })
    } else {
      out.list(entries.map { Int32(bitPattern: $0) })
    }
    out.write("]")
  }

  public init(parsing text: inout TextReader) throws(Diagnostic) {
    try text.expect("from")
    let low: Int32 = try text.integer()
    let isFloat = text.accept("f32")
    if !isFloat { try text.expect("i32") }
    try text.expect("[")
    let entries =
      isFloat
      ? try text.list(until: "]", of: Float.self).map(\.bitPattern)
      : try text.list(until: "]", of: Int32.self).map { UInt32(bitPattern: $0) }
    self.init(low: low, isFloat: isFloat, entries: entries)
  }
}

extension ElementType {
  init(parsing text: inout TextReader) throws(Diagnostic) {
    let start = text
    guard let element = ElementType(rawValue: try text.word()) else {
      throw start.expected("an element type")
    }
    self = element
  }
}
