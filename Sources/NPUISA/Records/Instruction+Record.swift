import Support

extension Instruction: Record {
  public static let defaults = Instruction(.control(.wait))
  public static let summary = "one entry of a context's list"
  public static let fields: [RecordField<Self>] = [
    RecordField("waits", \.waits, in: 0...4, "counts of tags to wait for"),
    RecordField("kernel", \.kernel, "that it belongs to: an entry of the kernel table"),
    RecordField("body", \.body, "what it does"),
  ]
}

extension Instruction.Body: Variant {
  public static let summary = "what an instruction does"
  public static let cases: [VariantCase<Self>] = [
    VariantCase(
      "tensor", { if case .tensor(let tensor) = $0 { tensor } else { nil } }, { .tensor($0) },
      "one stream through the tensor unit"),
    VariantCase(
      "dma", { if case .dma(let dma) = $0 { dma } else { nil } }, { .dma($0) }, "copies between memories"),
    VariantCase(
      "wait", { $0 == .control(.wait) ? Nothing() : nil }, { _ in .control(.wait) }, "only waits"),
    VariantCase(
      "barrier", { $0 == .control(.barrier) ? Nothing() : nil }, { _ in .control(.barrier) },
      "meets the barriers of all contexts"),
    VariantCase(
      "loop", { if case .control(.loop(let loop)) = $0 { loop } else { nil } }, { .control(.loop($0)) },
      "repeats the instructions that follow"),
  ]
}

extension ControlInstruction.Loop: Record {
  public static let defaults = Self()
  public static let summary = "repeats `body` instructions `count` times, moving them on"
  public static let fields: [RecordField<Self>] = [
    RecordField("count", \.count, in: 1...(1 << 20), "iterations"),
    RecordField("body", \.body, in: 1...(1 << 20), "instructions that follow and are repeated"),
    RecordField("fetch_step", \.fetchStep, "added to the fetch's base, bytes"),
    RecordField("second_step", \.secondStep, "added to the second stream's base, bytes"),
    RecordField("commit_step", \.commitStep, "added to the sink's base, bytes or words"),
    RecordField("register_step", \.registerStep, "added to the register file's base, units"),
    RecordField("source_step", \.sourceStep, "added to a descriptor's source, bytes"),
    RecordField("destination_step", \.destinationStep, "added to a descriptor's destination, bytes"),
    RecordField("wait_step", \.waitStep, "added to the counts of waits"),
  ]
}

extension Wait: FieldValue {
  public static let typeName = "tag and count, as `dma0>=3`"
  public var leaves: Int { 2 }

  public func encode(to out: inout ByteWriter) {
    out.integer(tag)
    count.encode(to: &out)
  }

  public static func decode(_ bytes: inout ByteReader) throws(Diagnostic) -> Wait {
    let tag: UInt8 = try bytes.integer()
    return Wait(tag: tag, count: try UInt32.decode(&bytes))
  }

  public func writeField(to out: inout TextWriter) {
    out.write("\(Context(index: Int(tag)).name)>=")
    out.decimal(count)
  }

  public static func parse(_ text: inout TextReader) throws(Diagnostic) -> Wait {
    let start = text
    guard let context = Context(name: try text.word()), let tag = UInt8(exactly: context.index) else {
      throw start.expected("the name of a context")
    }
    try text.expect(">=")
    return Wait(tag: tag, count: try text.integer())
  }

  public mutating func mutate(leaf: Int, using random: inout SeededRandom) -> String {
    leaf == 0
      ? "tag" + tag.mutate(leaf: 0, using: &random) : "count" + count.mutate(leaf: 0, using: &random)
  }
}

extension Context {
  /// `main`, `sub`, `dma0` …
  public var name: String {
    switch self {
    case .main: "main"
    case .sub: "sub"
    case .dma(let engine): "dma\(engine)"
    }
  }

  public init?(name: String) {
    switch name {
    case "main": self = .main
    case "sub": self = .sub
    default:
      guard name.hasPrefix("dma"), let engine = UInt8(name.dropFirst(3)), engine <= 253,
        "dma\(engine)" == name
      else { return nil }
      self = .dma(Int(engine))
    }
  }
}

extension DMAInstruction: Record {
  public static let defaults = DMAInstruction(from: Place(.dram, 0), to: Place(.dram, 0), run: 1)
  public static let summary = "copies one run of bytes for every index of its loops"
  public static let fields: [RecordField<Self>] = [
    RecordField("from", \.source, "the first run's bytes"),
    RecordField("to", \.destination, "where they go"),
    RecordField("run", \.runBytes, in: 1...4096, "bytes of a run"),
    RecordField("loops", \.loops, in: 0...8, "outermost first"),
    RecordField(optional: "index", \.index, "a list that gives the first loop's steps on one side"),
  ]
}

extension DMAInstruction.Loop: Record {
  public static let defaults = Self(1, source: 0, destination: 0)
  public static let summary = "a loop of a descriptor"
  public static let fields: [RecordField<Self>] = [
    RecordField("size", \.size, in: 1...65536, "iterations"),
    RecordField("from", \.sourceStride, "stride of the source, bytes"),
    RecordField("to", \.destinationStride, "stride of the destination, bytes"),
  ]
}

extension DMAInstruction.Index: Record {
  public static let defaults = Self(.gather, list: DMAInstruction.Place(.dram, 0), rows: 1)
  public static let summary = "a list of i32 in the place of the first loop's indices"
  public static let fields: [RecordField<Self>] = [
    RecordField("side", \.side, "which side it indexes"),
    RecordField("list", \.list, "where it is"),
    RecordField("rows", \.rows, in: 1...Int(Int32.max), "rows of the indexed side"),
  ]
}

extension DMAInstruction.Index.Side: FieldEnum {}
extension DMAInstruction.Memory: FieldEnum {}

extension DMAInstruction.Place: FieldValue {
  public static let typeName = "place, as `sram@4096`"
  public var leaves: Int { 2 }

  public func encode(to out: inout ByteWriter) {
    memory.encode(to: &out)
    base.encode(to: &out)
  }

  public static func decode(_ bytes: inout ByteReader) throws(Diagnostic) -> Self {
    let memory = try DMAInstruction.Memory.decode(&bytes)
    return Self(memory, try Int64.decode(&bytes))
  }

  public func writeField(to out: inout TextWriter) {
    memory.writeField(to: &out)
    out.write("@")
    out.decimal(base)
  }

  public static func parse(_ text: inout TextReader) throws(Diagnostic) -> Self {
    let memory = try DMAInstruction.Memory.parse(&text)
    try text.expect("@")
    return Self(memory, try text.integer())
  }

  public mutating func mutate(leaf: Int, using random: inout SeededRandom) -> String {
    leaf == 0
      ? "memory" + memory.mutate(leaf: 0, using: &random) : "base" + base.mutate(leaf: 0, using: &random)
  }
}
