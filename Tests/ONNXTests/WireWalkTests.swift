import ONNX
import Support
import Tensors
import Testing

/// The walk over the wire format: what it leaves in the file, and what it refuses.
@Suite struct WireWalkTests {
  private static func walk(_ bytes: [UInt8], limit: Int = 64 << 20) throws(Diagnostic) -> WireWalk {
    var budget = ImportBudget(limit: limit)
    let storage = Storage(count: bytes.count) { $0.copyBytes(from: bytes) }
    return try WireWalk(storage.bytes, budget: &budget)
  }

  private static func refusal(_ bytes: [UInt8], limit: Int = 64 << 20) -> Diagnostic? {
    do { _ = try walk(bytes, limit: limit) } catch { return error }
    return nil
  }

  /// A model with one initializer of the given fields.
  private static func model(_ tensor: (inout WireWriter) -> Void) -> [UInt8] {
    WireWriter.make { $0.message(7) { $0.message(5, tensor) } }
  }

  @Test func leavesNumbersInTheFile() throws {
    let raw = [UInt8](repeating: 7, count: 100_000)
    let bytes = Self.model {
      $0.varint(1, 100_000)
      $0.bytes(9, raw)
      $0.bytes(4, littleEndian([Float(1), 2]))
      $0.float(4, 3)
      $0.float(4, 4)
      $0.bytes(5, [1, 2, 0x80, 1])
      $0.bytes(6, [65])
    }
    let walk = try Self.walk(bytes)
    #expect(walk.skeleton.count < 40)
    #expect(walk.payloads.count == 1)
    let payload = walk.payloads[0]
    let range = try #require(payload.raw)
    #expect(Array(bytes[range]) == raw)
    #expect(payload.strings == 1)
    #expect(payload.lists.map(\.field) == [4, 5])
    #expect(payload.lists.map(\.count) == [4, 3])
    #expect(payload.lists[0].chunks.count == 2)
    var numbers: [UInt64] = []
    bytes.withUnsafeBytes { file in
      payload.lists[0].forEach(in: file) { numbers.append($0) }
      payload.lists[1].forEach(in: file) { numbers.append($0) }
    }
    #expect(numbers.prefix(4).map { Float(bitPattern: UInt32($0)) } == [1, 2, 3, 4])
    #expect(numbers.suffix(3) == [1, 2, 128])
  }

  @Test func skipsWhatImportDoesNotRead() throws {
    let bytes = WireWriter.make {
      $0.varint(1, 8)
      $0.bytes(6, [UInt8](repeating: 1, count: 1000))
      $0.varint(500, 1)
      $0.tag(501, 1)
      $0.raw([0, 0, 0, 0, 0, 0, 0, 0])
      $0.float(502, 1)
    }
    #expect(try Self.walk(bytes).skeleton == [8, 8])
  }

  @Test(arguments: [
    ("a length past the end", [UInt8](arrayLiteral: 0x3A, 5, 0, 0)),
    ("a length past its message", [0x3A, 2, 0x0A, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
    ("a length of 2^64 - 1", [0x3A, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1]),
    ("a varint of eleven bytes", [8, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1]),
    ("a varint of 65 bits", [8, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 2]),
    ("a varint without end", [8, 0x80]),
    ("field 0", [0, 1]),
    ("a field number of 30 bits", [0x80, 0x80, 0x80, 0x80, 0x10, 0]),
    ("a group", [0x0B, 0x0C]),
    ("wire type 7", [0x0F]),
    ("a graph that is a number", [0x38, 1]),
    ("a version that is a text", [0x0A, 1, 65]),
    ("two graphs", [0x3A, 0, 0x3A, 0]),
    ("a NUL in a name", [0x3A, 3, 0x12, 1, 0]),
    ("half a float", [0x3A, 8, 0x2A, 6, 0x22, 3, 0, 0, 0, 0]),
  ])
  func refuses(_ what: String, _ bytes: [UInt8]) throws {
    let refusal = try #require(Self.refusal(bytes), "\(what) passes")
    #expect(refusal.kind == .malformedModel)
    #expect(refusal.message.hasPrefix("byte "))
  }

  /// Nodes with a graph as attribute, around each other.
  private static func nested(_ depth: Int) -> [UInt8] {
    var graph: [UInt8] = []
    for _ in 0..<depth {
      let inner = graph
      graph = WireWriter.make { $0.message(1) { $0.message(5) { $0.bytes(6, inner) } } }
    }
    return WireWriter.make { $0.bytes(7, graph) }
  }

  @Test func refusesDeepNesting() throws {
    #expect(Self.refusal(Self.nested(20)) == nil)
    let refusal = try #require(Self.refusal(Self.nested(10_000)))
    #expect(refusal.message.contains("deeper than 64"))
    // Sequences of sequences as a type.
    var type: [UInt8] = []
    for _ in 0..<10_000 {
      let inner = type
      type = WireWriter.make { $0.message(4) { $0.bytes(1, inner) } }
    }
    let bytes = WireWriter.make { $0.message(7) { $0.message(11) { $0.bytes(2, type) } } }
    #expect(Self.refusal(bytes)?.kind == .malformedModel)
  }

  /// Two bytes in the file become a struct of some hundred in memory.
  @Test(arguments: [[0x0A, 0], [0x2A, 0], [0x5A, 0]] as [[UInt8]])
  func refusesAmplification(_ element: [UInt8]) throws {
    let graph = Array(repeatElement(element, count: 1 << 20).joined())
    let refusal = try #require(Self.refusal(WireWriter.make { $0.bytes(7, graph) }))
    #expect(refusal.kind == .importLimit)
    #expect(refusal.kind.exitStatus == 69)
  }

  @Test func everyPackedVarintIsChecked() {
    #expect(Self.refusal(Self.model { $0.bytes(7, [1, 0x80]) })?.kind == .malformedModel)
    #expect(Self.refusal(Self.model { $0.bytes(7, [1, 0x80, 0]) }) == nil)
  }
}
