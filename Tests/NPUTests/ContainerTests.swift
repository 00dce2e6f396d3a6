import Machine
import Support
import Testing

private let container = Container(
  instructionSet: .sha256("set"), target: .sha256("yaml"),
  sections: [
    .init("program", Array(repeating: 7, count: 1000)),
    .init("empty", []),
    .init("odd", [1, 2, 3]),
  ])

@Test func containersRoundTrip() throws {
  let bytes = container.encoded()
  #expect(try Container(decoding: bytes, name: "test") == container)
  #expect(container.encoded() == bytes)
}

@Test func everyDamagedByteIsRefused() {
  let bytes = container.encoded()
  for index in bytes.indices {
    var damaged = bytes
    damaged[index] ^= 0x41
    let found = #expect(throws: Diagnostic.self) { try Container(decoding: damaged, name: "test") }
    #expect(found?.kind == .malformedContainer)
    if index % 16 == 0 {
      #expect(throws: Diagnostic.self) { try Container(decoding: Array(bytes[..<index]), name: "test") }
    }
  }
  #expect(throws: Diagnostic.self) { try Container(decoding: bytes + [0], name: "test") }
}
