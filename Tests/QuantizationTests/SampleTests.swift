import GraphIR
import Quantization
import Support
import Tensors
import Testing

struct SampleTests {
  /// Inputs "x": f32[2,3] and "s": i32[].
  private func graph() -> Graph {
    var builder = GraphBuilder(name: "g")
    let x = builder.input("x", ValueType(.f32, [2, 3]))
    let s = builder.input("s", ValueType(.i32, []))
    return builder.finish(returning: [x, s])
  }

  @Test func rowsAreGroupedAndStackedArraysTakenApart() throws {
    let x = try Tensor(TensorType(.u8, [7, 3]), (0..<21).map { UInt8($0) })
    let s = try Tensor(TensorType(.i32, [4]), [5, 6, 7, 8] as [Int32])
    let samples = try ArchiveSamples(["x": x, "s": s], for: graph())
    #expect(samples.count == 3)
    let last = try samples.sample(2)
    #expect(last["x"] == (try Tensor(TensorType(.f32, [2, 3]), (12..<18).map { Float($0) })))
    #expect(last["s"] == (try Tensor(TensorType(.i32, []), [7] as [Int32])))
    #expect(try ArchiveSamples(["x": x, "s": s], for: graph(), limit: 2).count == 2)
  }

  @Test func arraysThatDoNotFitAreRefused() throws {
    let s = try Tensor(TensorType(.i32, [4]))
    #expect(refusal(["s": s])?.contains("'x'") == true)
    #expect(refusal(["s": s, "x": try Tensor(TensorType(.f32, [8, 4]))])?.contains("f32[8,4]") == true)
    #expect(refusal(["s": s, "x": try Tensor(TensorType(.f32, []))]) != nil)
    #expect(refusal(["s": s, "x": try Tensor(TensorType(.f32, [8, 2, 3]))]) == nil)
  }

  private func refusal(_ arrays: [String: Tensor]) -> String? {
    do { _ = try ArchiveSamples(arrays, for: graph()) } catch { return error.message }
    return nil
  }

  @Test func aSeedGivesTheSameSamples() throws {
    let samples = try SyntheticSamples(graph(), count: 2, seed: 7)
    let again = try SyntheticSamples(graph(), count: 5, seed: 7)
    #expect(try samples.sample(1) == again.sample(1))
    #expect(try samples.sample(0) != samples.sample(1))
    #expect(try samples.sample(0) != SyntheticSamples(graph(), count: 2, seed: 8).sample(0))
  }

  /// What a first operator with these constants tells of a float input of 4000 elements.
  private func range(_ op: String, _ constants: [Tensor]) throws -> ValueRange {
    var builder = GraphBuilder(name: "g")
    let x = builder.input("x", ValueType(.f32, [1, 4000]))
    let moved = builder.node(Node("Transpose"), [x], ValueType(.f32, [4000, 1]))
    let operands = constants.map { builder.constant($0) }
    let element: ElementType = op == "QuantizeLinear" ? .i8 : .f32
    let y = builder.node(Node(op), [moved] + operands, ValueType(element, [4000, 1]))
    let sample = try SyntheticSamples(builder.finish(returning: [y]), count: 1).sample(0)
    let tensor = try #require(sample["x"])
    return try #require(ValueRange(tensor))
  }

  private func scalar(_ value: Float) throws -> Tensor { try Tensor(TensorType(.f32, [1]), [value]) }

  @Test func theFirstOperatorScalesTheInput() throws {
    func expect(_ range: ValueRange, _ low: Float, _ high: Float) {
      let slack = (high - low) * 0.01
      #expect(range.minimum >= low && range.minimum < low + slack, "\(range)")
      #expect(range.maximum <= high && range.maximum > high - slack, "\(range)")
    }
    expect(try range("Relu", []), 0, 1)
    expect(try range("Div", [scalar(255)]), 0, 255)
    expect(try range("Mul", [scalar(1 / 128)]), 0, 128)
    expect(try range("Sub", [scalar(127.5)]), 0, 255)
    expect(
      try range("BatchNormalization", [scalar(1), scalar(0), scalar(10), scalar(3)]), 7, 13)
    let zero = try Tensor(TensorType(.i8, []), [28] as [Int8])
    expect(try range("QuantizeLinear", [try Tensor(TensorType(.f32, []), [Float(0.5)]), zero]), -78, 49.5)
  }

  @Test func integersTakeWhatTheyIndex() throws {
    var builder = GraphBuilder(name: "g")
    let ids = builder.input("ids", ValueType(.i64, [1, 500]))
    let image = builder.input("image", ValueType(.u8, [1, .symbol("n"), 5000]))
    let table = builder.constant(try Tensor(TensorType(.f32, [7, 2])))
    let rows = builder.node(Node("Gather"), [table, ids], ValueType(.f32, [1, 500, 2]))
    let sample = try SyntheticSamples(builder.finish(returning: [rows, image]), count: 1).sample(0)
    let (rowsRead, pixels) = (try #require(sample["ids"]), try #require(sample["image"]))
    #expect(Set(try rowsRead.int64Elements()) == Set(0..<7))
    #expect(pixels.type == TensorType(.u8, [1, 1, 5000]))
    #expect(Set(try pixels.int64Elements()).count == 256)
  }
}
