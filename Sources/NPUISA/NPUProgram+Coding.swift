import Support

extension NPUProgram {
  /// Of the binary and the text form; grows with every change of the records.
  public static let formatVersion: UInt8 = 1
  private static let magic = Array("fnpu".utf8)

  /// The payload of a container: magic, version, and the program as a record.
  public func encoded() -> [UInt8] {
    var out = ByteWriter()
    out.append(Self.magic)
    out.integer(Self.formatVersion)
    encode(to: &out)
    return out.bytes
  }

  /// - Throws: `malformedInstruction` or `malformedFile` unless `bytes` are exactly what `encoded` makes of the
  ///   result.
  public init(decoding bytes: UnsafeRawBufferPointer) throws(Diagnostic) {
    var reader = ByteReader(bytes, name: "the device program")
    self = try Self.decodeAll(&reader)
  }

  public init(decoding bytes: [UInt8]) throws(Diagnostic) {
    var reader = ByteReader(bytes, name: "the device program")
    self = try Self.decodeAll(&reader)
  }

  private static func decodeAll(_ reader: inout ByteReader) throws(Diagnostic) -> NPUProgram {
    guard try reader.take(magic.count).elementsEqual(magic) else {
      throw malformed("no device program begins here")
    }
    let version: UInt8 = try reader.integer()
    guard version == formatVersion else {
      throw malformed("device program of format \(version), read is \(formatVersion)")
    }
    let program = try NPUProgram.decode(&reader)
    guard reader.isAtEnd else { throw malformed("\(reader.remaining) bytes follow the device program") }
    return program
  }

  /// The digest that a container carries of the instruction set: of the page that describes all of it.
  public static let instructionSetDigest = Digest.sha256(instructionSetPage)
}

extension NPUProgram: TextForm {
  private static let header = "npu_program"

  /// The whole program, images included: a line per entry and instruction.
  public func write(to out: inout TextWriter) {
    out.write("\(Self.header) \(Self.formatVersion)\n")
    for (name, ticks) in [
      ("dram_bytes", dramBytes), ("load_ticks", predictedLoadTicks), ("run_ticks", predictedRunTicks),
    ] {
      out.write("\(name) \(ticks)\n")
    }
    Self.lines("program", programs, &out)
    Self.lines("input", inputs, &out)
    Self.lines("output", outputs, &out)
    Self.lines("kernel", kernels, &out)
    Self.lines("residence", residences, &out)
    Self.lines("image", images, &out)
    for (name, code) in [("load", load), ("run", run)] {
      out.write("\(name)\n")
      code.writeField(to: &out)
    }
  }

  public init(parsing text: inout TextReader) throws(Diagnostic) {
    self.init(engines: 1)
    try text.expect(Self.header)
    let start = text
    let version: UInt8 = try text.integer()
    guard version == Self.formatVersion else { throw start.expected("format \(Self.formatVersion)") }
    try text.expect("dram_bytes")
    dramBytes = try text.integer()
    try text.expect("load_ticks")
    predictedLoadTicks = try text.integer()
    try text.expect("run_ticks")
    predictedRunTicks = try text.integer()
    programs = try Self.entries("program", &text)
    inputs = try Self.entries("input", &text)
    outputs = try Self.entries("output", &text)
    kernels = try Self.entries("kernel", &text)
    residences = try Self.entries("residence", &text)
    images = try Self.entries("image", &text)
    try text.expect("load")
    load = try Code.parse(&text)
    try text.expect("run")
    run = try Code.parse(&text)
  }

  private static func lines(_ name: String, _ entries: [some FieldValue], _ out: inout TextWriter) {
    for entry in entries {
      out.write("\(name) ")
      entry.writeField(to: &out)
      out.write("\n")
    }
  }

  private static func entries<Entry: FieldValue>(
    _ name: String, _ text: inout TextReader
  ) throws(Diagnostic) -> [Entry] {
    var entries: [Entry] = []
    while text.accept(name) { entries.append(try Entry.parse(&text)) }
    return entries
  }
}
