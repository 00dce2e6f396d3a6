import Support
import Tensors
import TestSupport
import Testing

struct ElementTests {
  static let registerTypes = ElementType.allCases.filter(\.fitsRegister)

  @Test(arguments: registerTypes) func storesClampAndLoadsWiden(element: ElementType) throws {
    guard let range = element.integerRange else { return }
    let values: [Int32] = [0, 1, -1, 7, 8, 15, 16, -8, -9, 127, 128, 255, 256, -129, 65536, .min, .max]
    let tensor = try Tensor(TensorType(element, [values.count])) { .i32(values[$0]) }
    for (index, value) in values.enumerated() {
      #expect(tensor[index] == .i32(min(max(value, range.lowerBound), range.upperBound)))
    }
  }

  @Test func elementsAreFoundBehindOddOffsets() throws {
    var bytes: [UInt8] = [9]
    for value in [Float(1.5), -2, .infinity] {
      withUnsafeBytes(of: value.bitPattern.littleEndian) { bytes.append(contentsOf: $0) }
    }
    let storage = Storage(count: bytes.count) { $0.copyBytes(from: bytes) }
    let tensor = try Tensor(TensorType(.f32, [3]), storage, offset: 1)
    #expect(tensor[1] == .f32(-2) && tensor.floatElements() == [1.5, -2, .infinity])
    #expect(tensor.elements(as: Float.self) == [1.5, -2, .infinity])
    #expect(throws: Diagnostic.self) { try Tensor(TensorType(.f32, [3]), storage, offset: 2) }
    #expect(throws: Diagnostic.self) { try Tensor(TensorType(.f32, [3]), storage, offset: -1) }
    #expect(throws: Diagnostic.self) { try Tensor(TensorType(.f32, [.max, 2]), storage) }
    #expect(throws: Diagnostic.self) { try Tensor(TensorType(.f32, [-1]), storage) }
    #expect(throws: Diagnostic.self) { try Tensor(TensorType(.f32, [0, -1]), storage) }
  }

  @Test func integersOfAnyWidthAreListed() throws {
    #expect(try Tensor(TensorType(.i64, [2]), [Int64.min, .max]).int64Elements() == [.min, .max])
    #expect(try Tensor(TensorType(.u32, [1]), [UInt32.max]).int64Elements() == [Int(UInt32.max)])
    #expect(try Tensor(TensorType(.bool, [2]), [UInt8(0), 255]).int64Elements() == [0, 1])
    #expect(throws: Diagnostic.self) { try Tensor(TensorType(.u64, [1]), [UInt64.max]).int64Elements() }
    #expect(throws: Diagnostic.self) { try Tensor(TensorType(.f32, [1]), [Float(1)]).int64Elements() }
    #expect(try Tensor(TensorType(.u64, [1]), [UInt64.max]).doubleElements() == [0x1p64])
  }

  /// One f64 to all types: truncation, saturation, rounding.
  @Test func floatsConvertAsONNXCasts() throws {
    let values = [
      0.0, -0.0, 0.9, -0.9, 2.5, -3.5, 200, -200, 1e6, 3e9, -3e9, 1e19, -1e19, 1e30, .infinity, .nan,
    ]
    let source = try Tensor(TensorType(.f64, [values.count]), values)
    func converted<Element: BitwiseCopyable>(_ element: ElementType, _: Element.Type) throws -> [Element] {
      try source.converted(to: element).elements(as: Element.self)
    }
    #expect(
      try converted(.i8, Int8.self) == [0, 0, 0, 0, 2, -3, 127, -128, 127, 127, -128, 127, -128, 127, 127, 0])
    #expect(
      try converted(.u8, UInt8.self) == [0, 0, 0, 0, 2, 0, 200, 0, 255, 255, 0, 255, 0, 255, 255, 0])
    #expect(try converted(.i4, Int8.self) == [0, 0, 0, 0, 2, -3, 7, -8, 7, 7, -8, 7, -8, 7, 7, 0])
    #expect(
      try converted(.i32, Int32.self)
        == [0, 0, 0, 0, 2, -3, 200, -200, 1_000_000, .max, .min, .max, .min, .max, .max, 0])
    #expect(
      try converted(.u32, UInt32.self)
        == [0, 0, 0, 0, 2, 0, 200, 0, 1_000_000, 3_000_000_000, 0, .max, 0, .max, .max, 0])
    #expect(
      try converted(.i64, Int64.self)
        == [
          0, 0, 0, 0, 2, -3, 200, -200, 1_000_000, 3_000_000_000, -3_000_000_000, .max, .min, .max, .max, 0,
        ])
    #expect(try converted(.u64, UInt64.self)[10...] == [0, 10_000_000_000_000_000_000, 0, .max, .max, 0])
    #expect(try converted(.bool, UInt8.self) == [0, 0] + [UInt8](repeating: 1, count: 14))
    #expect(
      try converted(.f32, Float.self).map(\.bitPattern)
        == values.map { $0.isNaN ? 0x7FC0_0000 : Float($0).bitPattern })
    #expect(try converted(.f8e4m3, UInt8.self)[6...8] == [0x74, 0xF4, 0x7E])
    // The same values as f32 give the same integers.
    let narrow = try source.converted(to: .f32)
    for element in ElementType.allCases where !element.isFloat && element != .u64 && element != .i64 {
      let direct = try source.converted(to: element)
      #expect(try narrow.converted(to: element) == direct, "\(element)")
    }
  }

  @Test func integersConvertByTheirLowBits() throws {
    let values: [Int64] = [0, -1, 8, 128, 255, 65535, 1 << 31, 1 << 32, .max, .min]
    let source = try Tensor(TensorType(.i64, [values.count]), values)
    #expect(try source.converted(to: .i4).elements(as: Int8.self) == [0, -1, -8, 0, -1, -1, 0, 0, -1, 0])
    #expect(try source.converted(to: .u4).elements(as: UInt8.self) == [0, 15, 8, 0, 15, 15, 0, 0, 15, 0])
    #expect(
      try source.converted(to: .i8).elements(as: Int8.self) == values.map { Int8(truncatingIfNeeded: $0) })
    #expect(
      try source.converted(to: .u16).elements(as: UInt16.self)
        == values.map { UInt16(truncatingIfNeeded: $0) })
    #expect(
      try source.converted(to: .i32).elements(as: Int32.self) == values.map { Int32(truncatingIfNeeded: $0) })
    #expect(try source.converted(to: .u64).elements(as: UInt64.self) == values.map { UInt64(bitPattern: $0) })
    #expect(try source.converted(to: .bool).elements(as: UInt8.self) == values.map { $0 == 0 ? 0 : 1 })
    #expect(try source.converted(to: .f32).elements(as: Float.self) == values.map { Float($0) })
    #expect(try source.converted(to: .f8e5m2).doubleElements().suffix(2) == [57344, -57344])
  }

  /// Widening and back is the identity for every pair that allows it.
  @Test(arguments: registerTypes) func wideningIsExact(element: ElementType) throws {
    let codes = element.size == 1 ? 256 : 65536
    let type = TensorType(element.isFloat ? element : element, [codes])
    let tensor = try Tensor(type) {
      if let range = element.integerRange { return .i32(min(Int32($0) &- 32768, range.upperBound)) }
      return .f32(element.round(element.decode(UInt32($0) << (element == .f32 ? 16 : 0))).canonical)
    }
    for wide in element.isFloat ? [ElementType.f64, .f32] : [.f64, .i64, .i32] {
      #expect(try tensor.converted(to: wide).converted(to: element) == tensor, "\(wide)")
    }
  }

  @Test(arguments: ElementType.allCases) func textKeepsAllBits(element: ElementType) throws {
    var random = SeededRandom(seed: 3)
    let count = element.size == 1 ? 256 : 4096
    let mask: UInt8 = element == .bool ? 1 : 0xFF
    var tensor = try Tensor(TensorType(element, [count])) { (memory: UnsafeMutableRawBufferPointer) in
      for index in memory.indices {
        memory[index] = element.size == 1 ? UInt8(index) & mask : UInt8.random(in: 0...255, using: &random)
      }
    }
    // Four-bit elements are what loads see of their byte.
    if element == .i4 || element == .u4 { let wide = tensor; tensor = try Tensor(tensor.type) { wide[$0] } }
    var out = TextWriter()
    tensor.write(to: &out)
    var reader = TextReader(out.text)
    #expect(try Tensor(tensor.type, parsing: &reader) == tensor)
    #expect(reader.isAtEnd)
    var again = TextWriter()
    tensor.write(to: &again)
    #expect(again.bytes == out.bytes)
  }

  private static func parse(_ type: TensorType, _ text: String) throws -> Tensor {
    var reader = TextReader(text)
    return try Tensor(type, parsing: &reader)
  }

  @Test func textOfEdgeValues() throws {
    func text(_ tensor: Tensor) -> String {
      var out = TextWriter()
      tensor.write(to: &out)
      return out.text
    }
    #expect(try text(Tensor(TensorType(.f32, [3]), [Float(0.5), -1, .nan])) == "[0.5, -1.0, 0x7fc00000]")
    #expect(try text(Tensor(TensorType(.bool, [2]), [UInt8(1), 0])) == "[true, false]")
    #expect(try text(Tensor(TensorType(.f16, [2]), [UInt16(0x3C00), 0xFC00])) == "[1.0, 0xfc00]")
    #expect(try text(Tensor(TensorType(.u64, [0]), [UInt64]())) == "[]")
    for (element, text) in [
      (ElementType.i8, "[128]"), (.u4, "[16]"), (.i4, "[-9]"), (.bool, "[2]"), (.u32, "[-1]"),
      (.f8e4m3, "[0x100]"),
      (.i32, "[1.5]"), (.i8, "[1, 2]"), (.i8, "[]"), (.i8, "[1"), (.f32, "[x]"), (.f64, "[0xg]"), (.i8, "1"),
    ] {
      #expect(throws: Diagnostic.self, "\(element) \(text)") {
        try Self.parse(TensorType(element, [1]), text)
      }
    }
  }

  @Test func digestsTellTypesApart() throws {
    let a = try Tensor(TensorType(.i32, [2]), [Int32(1), 2])
    #expect(try a.digest == Tensor(TensorType(.i32, [2]), [Int32(1), 2]).digest)
    #expect(try a.digest != Tensor(TensorType(.u32, [2]), [Int32(1), 2]).digest)
    #expect(try a.digest != a.reshaped([1, 2]).digest)
  }
}
