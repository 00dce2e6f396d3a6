import GraphIR
import Quantization
import Support
import Tensors
import TestSupport
import Testing

struct ValueRangeTests {
  @Test func scalesHoldTheEnds() {
    let range = ValueRange(-64, 191)
    #expect(range.asymmetric == Quantization(scale: 1, zeroPoint: -64))
    #expect(ValueRange(0, 0).asymmetric == Quantization(scale: 1 / 255, zeroPoint: -128))
    #expect(ValueRange(2, 255).asymmetric == Quantization(scale: 1, zeroPoint: -128))
    #expect(ValueRange(-255, -3).asymmetric == Quantization(scale: 1, zeroPoint: 127))
    let whole = ValueRange(-.greatestFiniteMagnitude, .greatestFiniteMagnitude).asymmetric
    #expect(whole.fault(on: ValueType(.i8, [])) == nil)
    #expect(ValueRange(0, .leastNonzeroMagnitude).asymmetric.fault(on: ValueType(.i8, [])) == nil)
  }

  @Test func whatIsNotFiniteDoesNotCount() throws {
    let type = TensorType(.f32, [4])
    #expect(ValueRange(try Tensor(type, [-Float.infinity, 2, .nan, 1])) == ValueRange(1, 2))
    #expect(ValueRange(try Tensor(type, [Float](repeating: .nan, count: 4))) == nil)
    #expect(ValueRange(1, 2).union(ValueRange(-1, 1.5)) == ValueRange(-1, 2))
  }

  /// 0 is stored exactly, and no end is further than half a step from what is stored.
  @Test(arguments: Seed.all) func everyEndIsWithinHalfAStep(seed: Seed) {
    var random = seed.random
    for _ in 0..<2000 {
      let exponent = Float(Int.random(in: -30...30, using: &random))
      let ends = [0, 1].map { _ in
        Float.random(in: -1...1, using: &random) * Float(sign: .plus, exponent: Int(exponent), significand: 1)
      }
      let range = ValueRange(min(ends[0], ends[1]), max(ends[0], ends[1]))
      let quantization = range.asymmetric
      let (scale, zero) = (quantization.scale[0], Float(quantization.zeroPoint[0]))
      #expect(zero >= -128 && zero <= 127)
      for end in [min(range.minimum, 0), max(range.maximum, 0)] {
        let stored = min(max((end / scale).rounded(.toNearestOrEven) + zero, -128), 127)
        #expect(abs((stored - zero) * scale - end) <= 0.501 * scale, "\(range) in \(quantization)")
      }
    }
  }
}

struct SchemeTests {
  @Test(arguments: Seed.all) func textReadsBackTheSame(seed: Seed) throws {
    var random = seed.random
    var entries: [Scheme.Entry] = []
    for index in 0..<20 {
      let count = Int.random(in: 1...5, using: &random)
      let scales = (0..<count).map { _ in Float.random(in: 1e-30...2, using: &random) }
      let zeros = (0..<count).map { _ in Int32.random(in: -128...127, using: &random) }
      let low = Float.random(in: -1e20...0, using: &random)
      entries.append(
        Scheme.Entry(
          "v\(index)/\"\\\n\u{1}é😀", .i8,
          Quantization(scale: scales, zeroPoint: zeros, axis: count == 1 ? nil : index % 3),
          method: "min-max",
          ValueRange(low, low + 1e19)))
    }
    var scheme = Scheme(entries)
    scheme.kept = ["a\"b", "c"]
    scheme.equalizations = [Scheme.Equalization(value: "v", divisors: [0.25, 3])]
    scheme.corrections = [Scheme.Correction(node: "n", added: [0, -1e-9]), .init(node: "m", added: [])]
    let read = try Scheme(json: scheme.json)
    #expect(read == scheme)
    #expect(read.json == scheme.json)
  }

  @Test func entriesAreFoundReplacedAndRemoved() {
    let entries = ["a", "b", "c"].map {
      Scheme.Entry($0, .i8, Quantization(scale: 1), method: "min-max", ValueRange(0, 1))
    }
    var scheme = Scheme(entries)
    scheme["b"]?.quantization = Quantization(scale: 2)
    #expect(scheme["b"]?.quantization.scale == [2])
    scheme["a"] = nil
    #expect(scheme.entries.map(\.name) == ["b", "c"])
    #expect(scheme["c"] == entries[2])
    #expect(scheme["a"] == nil)
  }

  @Test func numbersOfOtherWritersAreRead() throws {
    let text = """
      {"values" : [ {"name":"\\u0061\\ud83d\\ude00\\/", "element":"i8","scale":[5E-1],"zero_point":[-3]} ],
       "version":1,"format":"furc-scheme"}
      """
    let scheme = try Scheme(json: text)
    #expect(scheme["a😀/"]?.quantization == Quantization(scale: 0.5, zeroPoint: -3))
  }

  private static let head = #"{"format": "furc-scheme", "version": 1, "values": ["#

  @Test(arguments: [
    "", "{", "[]", "{}", head, head + "]", head + "1]}", head + "{}]}", head + "]} x",
    head + #"{"name": "a", "element": "i9", "scale": [1], "zero_point": [0]}]}"#,
    head + #"{"name": "a", "element": "i8", "scale": [1, 2], "zero_point": [0]}]}"#,
    head + #"{"name": "a", "element": "i8", "scale": ["1"], "zero_point": [0]}]}"#,
    head + #"{"name": "a", "element": "i8", "scale": [1e99], "zero_point": [0]}]}"#,
    head + #"{"name": "a", "element": "i8", "scale": [1], "zero_point": [0.5]}]}"#,
    head + #"{"name": "a", "element": "i8", "scale": [1], "zero_point": [0], "axis": "x"}]}"#,
    head + #"{"name": "a", "element": "i8", "scale": [1], "zero_point": [0], "min": 2, "max": 1}]}"#,
    head + #"{"name": "a", "element": "i8", "scale": [1], "zero_point": [0], "zero": 1}]}"#,
    head + #"{"name": "a\u12"}]}"#,
  ])
  func textThatIsNoSchemeIsRefused(text: String) {
    #expect(kind(reading: text) == .syntax)
  }

  @Test func depthIsLimited() {
    #expect(kind(reading: String(repeating: "[", count: 100_000)) == .syntax)
  }

  private func kind(reading text: String) -> Diagnostic.Kind? {
    do { _ = try Scheme(json: text) } catch { return error.kind }
    return nil
  }
}

struct AccuracyTests {
  @Test func noiseIsRelativeToTheSignal() throws {
    let type = TensorType(.f32, [2])
    let reference = try Tensor(type, [Float(3), 4])
    #expect(sqnr(reference: reference, quantized: reference) == .infinity)
    #expect(abs(sqnr(reference: reference, quantized: try Tensor(type, [Float(3.5), 4])) - 20) < 1e-9)
    #expect(sqnr(reference: try Tensor(type), quantized: reference) == -.infinity)
    var ratio = SignalToNoise()
    for _ in 0..<3 { ratio.add(reference: reference, quantized: try Tensor(type, [Float(3), 4.5])) }
    #expect(abs(ratio.decibels - 20) < 1e-9)
  }

  @Test func theFirstOfEqualScoresWins() throws {
    let scores = try Tensor(
      TensorType(.f32, [4, 3]), [0, 2, 2, 5, 1, 5, .nan, -1, -2, -3, -2, -1] as [Float])
    #expect(TopOne.classes(scores) == [1, 0, 1, 2])
    #expect(TopOne.classes(try Tensor(TensorType(.i8, [3]), [1, 3, 2] as [Int8])) == [1])
    #expect(TopOne.agreement([1, 0, 1, 2], [1, 1, 1, 2]) == 0.75)
    #expect(TopOne.agreement([], []) == 0)
  }
}
