import Support
import Tensors

/// Form and element type of the result, then axes, operands, tables and the post-program. What is left out
/// is `never`, the identity, or empty.
///
///     contract i8 {
///       axes n = 1, co = 16, oh = 8, ci = 3 reduce, kh = 3 window
///       operand i8[1,3,8] at [i0, i3, i2 + i4 - 1] fill 3 pre { r0 = input; … return r2 }
///       operand i8[16,3,3] at [i1, i3, i4]
///       post {
///         r0 = input
///         return r0
///       }
///     }
extension Kernel: TextForm, CustomStringConvertible {
  public var description: String { text }

  public func write(to out: inout TextWriter) { write(to: &out, indent: "") }

  func write(to out: inout TextWriter, indent: String) {
    out.write(form)
    out.write(" " + element.rawValue + " {")
    let lead = "\n" + indent + "  "
    if axes.count > 0 {
      out.write(lead + "axes ")
      out.list(axes.ids.map { axes[$0] })
    }
    for operand in operands {
      out.write(lead)
      out.write(operand)
    }
    for table in tables {
      out.write(lead + "table ")
      out.write(table)
    }
    if !post.isIdentity {
      out.write(lead + "post ")
      post.write(to: &out, indent: indent + "  ")
    }
    out.write("\n" + indent + "}")
  }

  public init(parsing text: inout TextReader) throws(Diagnostic) {
    self.init(try Form(parsing: &text), try ElementType(parsing: &text))
    try text.expect("{")
    if text.accept("axes") {
      repeat {
        let axis = try Axis(parsing: &text)
        self.axis(axis.name, axis.extent, axis.role)
      } while text.accept(",")
    }
    while text.accept("operand") { operands.append(try Operand(afterKeyword: &text)) }
    while text.accept("table") { tables.append(try Table(parsing: &text)) }
    if text.accept("post") { post = try Program(parsing: &text) }
    try text.expect("}")
  }
}

extension Kernel.Form: TextForm {
  public func write(to out: inout TextWriter) {
    out.write(name)
    switch self {
    case .contract, .map, .move: break
    case .reduce(let reduction): out.write(" " + reduction.rawValue)
    case .gather(let dimension), .scatter(let dimension): out.write(" \(dimension)")
    }
  }

  public init(parsing text: inout TextReader) throws(Diagnostic) {
    let start = text
    switch try text.word() {
    case "contract": self = .contract
    case "map": self = .map
    case "move": self = .move
    case "gather": self = .gather(dimension: try text.integer())
    case "scatter": self = .scatter(dimension: try text.integer())
    case "reduce":
      let start = text
      guard let reduction = Kernel.Reduction(rawValue: try text.word()) else {
        throw start.expected("a reduction")
      }
      self = .reduce(reduction)
    default: throw start.expected("a form of kernel")
    }
  }
}

/// `kh = 3 window`; parallel axes name no role.
extension Axis: TextForm {
  public func write(to out: inout TextWriter) {
    out.name(name)
    out.write(" = \(extent)")
    if role != .parallel { out.write(" " + role.rawValue) }
  }

  public init(parsing text: inout TextReader) throws(Diagnostic) {
    let name = try text.name()
    try text.expect("=")
    let extent: Int = try text.integer()
    let role = Role.allCases.first { $0 != .parallel && text.accept($0.rawValue) }
    self.init(name, extent, role ?? .parallel)
  }
}

/// `operand i8[1,3] at [i0, i1 - 1] fill 3 pre { … } box [0:2, 1:3]`.
extension Operand: TextForm {
  public func write(to out: inout TextWriter) {
    out.write("operand ")
    out.write(type)
    out.write(" at [")
    out.list(maps)
    out.write("]")
    switch outside {
    case .never: break
    case .skip: out.write(" skip")
    case .fill(let bits):
      out.write(" fill ")
      if type.element.isFloat {
        out.write(Float(bitPattern: bits))
      } else {
        out.write(Int32(bitPattern: bits))
      }
    }
    if !pre.isIdentity {
      out.write(" pre ")
      out.write(pre)
    }
    if !box.isEmpty {
      out.write(" box [" + box.map { "\($0.lowerBound):\($0.upperBound)" }.joined(separator: ", ") + "]")
    }
  }

  public init(parsing text: inout TextReader) throws(Diagnostic) {
    try text.expect("operand")
    try self.init(afterKeyword: &text)
  }

  fileprivate init(afterKeyword text: inout TextReader) throws(Diagnostic) {
    let type = try TensorType(parsing: &text)
    try text.expect("at")
    try text.expect("[")
    self.init(type, try text.list(until: "]"))
    if text.accept("skip") {
      outside = .skip
    } else if text.accept("fill") {
      outside = .fill(
        type.element.isFloat
          ? try Float(parsing: &text).bitPattern : UInt32(bitPattern: try Int32(parsing: &text)))
    }
    if text.accept("pre") { pre = try Program(parsing: &text) }
    if text.accept("box") {
      try text.expect("[")
      repeat {
        let start = text
        let lower: Int = try text.integer()
        try text.expect(":")
        let upper: Int = try text.integer()
        guard lower <= upper else { throw start.expected("a range whose start is not above its end") }
        box.append(lower..<upper)
      } while text.accept(",")
      try text.expect("]")
    }
  }
}

extension TextWriter {
  /// Bare where it reads back as one word, else in quotes.
  fileprivate mutating func name(_ name: String) {
    let isBare =
      !name.isEmpty
      && name.utf8.allSatisfy {
        switch $0 {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"): true
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "."): true
        default: false
        }
      }
    if isBare { write(name) } else { quoted(name) }
  }
}

extension TextReader {
  fileprivate mutating func name() throws(Diagnostic) -> String {
    var ahead = self
    return ahead.accept("\"") ? try quoted() : try word()
  }
}
