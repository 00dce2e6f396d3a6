import Foundation
import Furc
import Testing

struct JSONTests {
  @Test func readsBackByFoundation() throws {
    let text = "quote \" backslash \\ newline \n tab \t bell \u{7} letter é"
    let json = JSON.object([
      .init("text", .string(text)), .init("list", .array([.integer(-3), .bool(true), .null])),
      .init("number", .number(0.125, decimals: 3)), .init("none", .number(.infinity, decimals: 2)),
    ])
    let object = try #require(
      try JSONSerialization.jsonObject(with: Data(json.text.utf8)) as? [String: Any])
    #expect(object["text"] as? String == text)
    #expect(object["number"] as? Double == 0.125)
    #expect(object["none"] is NSNull)
    #expect(json.names == ["text", "list", "number", "none"])
  }

  @Test(arguments: [
    (0.0, 2, "0.00"), (-0.001, 2, "0.00"), (1.005, 1, "1.0"), (-12.75, 1, "-12.8"), (3.0, 0, "3"),
  ])
  func printsFixedDecimals(_ value: Double, _ decimals: Int, _ text: String) {
    #expect(fixed(value, decimals) == text)
  }
}
