import KernelIR
import Support
import Tensors

extension NPUProgram.Port: Record {
  public static let defaults = Self(name: "", type: TensorType(.i8, []), address: 0)
  public static let summary = "a place in DRAM that the host writes before a run or reads after it"
  public static let fields: [RecordField<Self>] = [
    RecordField("name", \.name, "of the graph's value"),
    RecordField("type", \.type, "what lies there, row-major"),
    RecordField("address", \.address, "in DRAM, bytes"),
  ]
}

extension NPUProgram.KernelEntry: Record {
  public static let defaults = Self(name: "", sources: [])
  public static let summary = "what the kernel number of an instruction means"
  public static let fields: [RecordField<Self>] = [
    RecordField("name", \.name, "of the graph's node"),
    RecordField("sources", \.sources, "numbers of the graph's nodes"),
  ]
}

extension NPUProgram.Residence: Record {
  public static let defaults = Self(
    name: "", type: TensorType(.i8, []), place: DMAInstruction.Place(.dram, 0), dimensions: [],
    from: Wait(tag: 0, count: 0))
  public static let summary = "where a value lies complete between two instructions"
  public static let fields: [RecordField<Self>] = [
    RecordField("name", \.name, "of the graph's value"),
    RecordField("type", \.type, "of the value"),
    RecordField("place", \.place, "of its first element"),
    RecordField("dimensions", \.dimensions, "how its coordinates move"),
    RecordField("from", \.from, "the instruction that completes it"),
    RecordField(optional: "until", \.until, "the instruction before which it ends"),
  ]
}

extension NPUProgram.Residence.Dimension: Record {
  public static let defaults = Self(block: 1, blockStride: 0, stride: 0)
  public static let summary = "coordinate c adds (c / block) · block_stride + (c % block) · stride"
  public static let fields: [RecordField<Self>] = [
    RecordField("block", \.block, "coordinates of a block"),
    RecordField("block_stride", \.blockStride, "from block to block, bytes"),
    RecordField("stride", \.stride, "within a block, bytes"),
  ]
}

extension NPUProgram.Image: FieldValue {
  public static let typeName = "image"
  /// One byte of it.
  public var leaves: Int { bytes.isEmpty ? 0 : 1 }

  public func encode(to out: inout ByteWriter) {
    address.encode(to: &out)
    bytes.count.encode(to: &out)
    out.append(bytes)
  }

  public static func decode(_ bytes: inout ByteReader) throws(Diagnostic) -> Self {
    let address = try Int64.decode(&bytes)
    let count = try Int.decode(&bytes)
    return Self(address: address, bytes: Array(try bytes.take(count)))
  }

  /// The address, then the bytes in hexadecimal lines of at most 64.
  public func writeField(to out: inout TextWriter) {
    out.decimal(address)
    out.write(" {\n")
    for start in stride(from: 0, to: bytes.count, by: 64) {
      out.write("  ")
      out.hexadecimal(bytes[start..<min(start + 64, bytes.count)])
      out.write("\n")
    }
    out.write("}")
  }

  public static func parse(_ text: inout TextReader) throws(Diagnostic) -> Self {
    let address: Int64 = try text.integer()
    try text.expect("{")
    var bytes: [UInt8] = []
    while !text.accept("}") {
      let start = text
      let word = try text.word()
      var high: UInt8?
      for digit in word.utf8 {
        guard let value = hexadecimalValue(digit) else { throw start.expected("hexadecimal digits") }
        if let first = high {
          bytes.append(first << 4 | value)
          high = nil
        } else {
          high = value
        }
      }
      guard high == nil else { throw start.expected("an even number of hexadecimal digits") }
    }
    return Self(address: address, bytes: bytes)
  }

  public mutating func mutate(leaf: Int, using random: inout SeededRandom) -> String {
    guard let index = bytes.indices.randomElement(using: &random) else { return "" }
    bytes[index] ^= UInt8.random(in: 1...255, using: &random)
    return "byte\(index)"
  }
}

private func hexadecimalValue(_ digit: UInt8) -> UInt8? {
  switch digit {
  case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0")
  case UInt8(ascii: "a")...UInt8(ascii: "f"): digit - UInt8(ascii: "a") + 10
  default: nil
  }
}

extension TextWriter {
  fileprivate mutating func hexadecimal(_ bytes: ArraySlice<UInt8>) {
    let digits = Array("0123456789abcdef".utf8)
    var text: [UInt8] = []
    text.reserveCapacity(2 * bytes.count)
    for byte in bytes {
      text.append(digits[Int(byte >> 4)])
      text.append(digits[Int(byte & 15)])
    }
    write(String(decoding: text, as: UTF8.self))
  }
}

extension Code: FieldValue {
  public static var typeName: String { "lists of all contexts" }
  public func encode(to out: inout ByteWriter) { contexts.encode(to: &out) }

  public static func decode(_ bytes: inout ByteReader) throws(Diagnostic) -> Code {
    let contexts = try [[Instruction]].decode(&bytes)
    guard (3...255).contains(contexts.count) else {
      throw malformed("a program has \(contexts.count) contexts, main, sub and DMA engines are needed")
    }
    var code = Code(engines: contexts.count - 2)
    code.contexts = contexts
    return code
  }

  /// `main:`, then its instructions, a line each; likewise every context.
  public func writeField(to out: inout TextWriter) {
    for (index, list) in contexts.enumerated() {
      out.write("\(Context(index: index).name):\n")
      for instruction in list { instruction.writeLine(to: &out) }
    }
  }

  public static func parse(_ text: inout TextReader) throws(Diagnostic) -> Code {
    var contexts: [[Instruction]] = []
    while text.accept("\(Context(index: contexts.count).name):") {
      var list: [Instruction] = []
      while let instruction = try Instruction.parseLine(&text) { list.append(instruction) }
      contexts.append(list)
    }
    guard (3...255).contains(contexts.count) else {
      throw text.expected("'\(Context(index: contexts.count).name):'")
    }
    var code = Code(engines: contexts.count - 2)
    code.contexts = contexts
    return code
  }

  public var leaves: Int { contexts.reduce(0) { $0 + $1.reduce(0) { $0 + $1.leaves } } }

  public mutating func mutate(leaf: Int, using random: inout SeededRandom) -> String {
    var leaf = leaf
    for context in contexts.indices {
      for index in contexts[context].indices {
        let count = contexts[context][index].leaves
        if leaf < count {
          let path = contexts[context][index].mutate(leaf: leaf, using: &random)
          return "\(Context(index: context).name).\(index).\(path)"
        }
        leaf -= count
      }
    }
    return ""
  }
}

extension Instruction {
  /// `  tensor kernel=1 waits=[main>=2] …`: the body's name, the fields of the instruction, those of the body.
  func writeLine(to out: inout TextWriter) {
    var head = self
    head.body = Self.defaults.body
    out.write("  ")
    switch body {
    case .tensor: out.write("tensor")
    case .dma: out.write("dma")
    case .control(.wait): out.write("wait")
    case .control(.barrier): out.write("barrier")
    case .control(.loop): out.write("loop")
    }
    var fields = TextWriter()
    if head.writeFields(to: &fields) { out.write(" " + fields.text) }
    var rest = TextWriter()
    let hasRest =
      switch body {
      case .tensor(let tensor): tensor.writeFields(to: &rest)
      case .dma(let dma): dma.writeFields(to: &rest)
      case .control(.loop(let loop)): loop.writeFields(to: &rest)
      case .control: false
      }
    if hasRest { out.write(" " + rest.text) }
    out.write("\n")
  }

  /// Nil if what comes next is no instruction.
  static func parseLine(_ text: inout TextReader) throws(Diagnostic) -> Instruction? {
    guard let name = Body.cases.map(\.name).first(where: { text.accept($0) }) else { return nil }
    var instruction = defaults
    try instruction.parseHead(&text)
    switch name {
    case "tensor":
      var tensor = TensorInstruction.defaults
      try tensor.parseFields(&text)
      instruction.body = .tensor(tensor)
    case "dma":
      var dma = DMAInstruction.defaults
      try dma.parseFields(&text)
      instruction.body = .dma(dma)
    case "loop":
      var loop = ControlInstruction.Loop.defaults
      try loop.parseFields(&text)
      instruction.body = .control(.loop(loop))
    case "barrier": instruction.body = .control(.barrier)
    default: break
    }
    return instruction
  }

  private mutating func parseHead(_ text: inout TextReader) throws(Diagnostic) {
    for field in Self.fields where field.name != "body" && text.accept(field.name + "=") {
      try field.parse(&self, &text)
    }
  }
}

extension NPUProgram: Record {
  public static let defaults = NPUProgram(engines: 1)
  public static let summary = "a device program"
  public static let fields: [RecordField<Self>] = [
    RecordField("dram_bytes", \.dramBytes, "all DRAM addresses lie below"),
    RecordField("load_ticks", \.predictedLoadTicks, "of the load program, as the schedule predicts"),
    RecordField("run_ticks", \.predictedRunTicks, "of a run, as the schedule predicts"),
    RecordField("programs", \.programs, in: 0...65535, "the programs of the vector engine"),
    RecordField("inputs", \.inputs, "what the host writes"),
    RecordField("outputs", \.outputs, "what the host reads"),
    RecordField("kernels", \.kernels, "what the kernel numbers mean"),
    RecordField("residences", \.residences, "where values lie complete"),
    RecordField("images", \.images, "what is in DRAM from the start"),
    RecordField("load", \.load, "the load program"),
    RecordField("run", \.run, "the program of a run"),
  ]
}
