import Support
import TestSupport
import Testing

struct TextFormTests {
  @Test(arguments: Seed.all) func numbersKeepTheirBits(seed: Seed) throws {
    var random = seed.random
    for _ in 0..<2000 {
      let bits = random.next()
      let double = Double(bitPattern: bits)
      #expect(try Double(text: double.text).bitPattern == bits)
      let float = Float(bitPattern: UInt32(truncatingIfNeeded: bits))
      #expect(try Float(text: float.text).bitPattern == float.bitPattern)
      #expect(try UInt64(text: bits.text) == bits)
      #expect(try Int16(text: Int16(truncatingIfNeeded: bits).text) == Int16(truncatingIfNeeded: bits))
    }
    #expect(Double.infinity.text == "0x7ff0000000000000" && (-0.0).text == "-0.0" && 0.1.text == "0.1")
  }

  @Test func truthValues() throws {
    #expect(try Bool(text: "true") && !Bool(text: false.text))
    #expect(throws: Diagnostic.self) { try Bool(text: "truex") }
    #expect(throws: Diagnostic.self) { try Bool(text: "1") }
    #expect(throws: Diagnostic.self) { try Float(text: "0x1ffffffff") }
    #expect(throws: Diagnostic.self) { try UInt8(text: "256") }
  }
}
