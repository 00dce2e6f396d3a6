import Foundation
import GraphIR
import ONNX
import Support
import Tensors
import Testing

/// The ways in which a model stores numbers.
@Suite struct TensorDataTests {
  private static func tensor(
    _ dims: [Int], type: Int, _ data: (inout WireWriter) -> Void
  ) throws -> Tensor {
    let model = try ModelWriter.importing(
      ModelWriter.model {
        $0.initializer("w", dims, type: type, data)
        $0.output("w", type: type)
      })
    return try #require(model.graph.values[model.graph.outputs[0]].constant)
  }

  private static func packed(_ values: [Int]) -> [UInt8] {
    WireWriter.make { for value in values { $0.number(UInt64(bitPattern: Int64(value))) } }
  }

  @Test func typedFields() throws {
    let floats = try Self.tensor([3], type: 1) { $0.bytes(4, littleEndian([Float(1), -2, .nan])) }
    #expect(floats.floatElements().map(\.bitPattern) == [Float(1), -2, .nan].map(\.bitPattern))
    let single = try Self.tensor([2], type: 1) {
      $0.float(4, 1)
      $0.float(4, 2)
    }
    #expect(single.floatElements() == [1, 2])
    let doubles = try Self.tensor([1], type: 11) { $0.bytes(10, littleEndian([0.1])) }
    #expect(doubles.doubleElements() == [0.1])
    #expect(
      try Self.tensor([2], type: 7) { $0.bytes(7, Self.packed([-1, 1 << 40])) }.int64Elements() == [
        -1, 1 << 40,
      ])
    #expect(
      try Self.tensor([2], type: 6) { $0.bytes(5, Self.packed([-5, 70_000])) }.int64Elements() == [
        -5, 70_000,
      ])
    #expect(
      try Self.tensor([2], type: 3) { $0.bytes(5, Self.packed([-128, 127])) }.int64Elements() == [-128, 127])
    #expect(
      try Self.tensor([2], type: 2) { $0.bytes(5, Self.packed([0, 255])) }.int64Elements() == [0, 255])
    #expect(try Self.tensor([2], type: 9) { $0.bytes(5, Self.packed([0, 1])) }.int64Elements() == [0, 1])
    #expect(
      try Self.tensor([1], type: 12) { $0.bytes(11, Self.packed([1 << 31])) }.int64Elements() == [1 << 31])
    #expect(try Self.tensor([1], type: 10) { $0.bytes(5, Self.packed([0x3C00])) }.floatElements() == [1])
    #expect(try Self.tensor([1], type: 16) { $0.bytes(5, Self.packed([0x3F80])) }.floatElements() == [1])
    #expect(try Self.tensor([1], type: 17) { $0.bytes(5, Self.packed([0x38])) }.floatElements() == [1])
    #expect(
      try Self.tensor([3], type: 22) { $0.bytes(5, Self.packed([0x8F, 7])) }.int64Elements() == [-1, -8, 7])
    #expect(
      try Self.tensor([3], type: 21) { $0.bytes(5, Self.packed([0x8F, 7])) }.int64Elements() == [15, 8, 7])
  }

  @Test func rawBytes() throws {
    #expect(try Self.tensor([3], type: 22) { $0.bytes(9, [0x8F, 7]) }.int64Elements() == [-1, -8, 7])
    #expect(try Self.tensor([2], type: 9) { $0.bytes(9, [0, 5]) }.int64Elements() == [0, 1])
    #expect(try Self.tensor([], type: 1) { $0.bytes(9, littleEndian([Float(3)])) }.floatElements() == [3])
    #expect(try Self.tensor([0, 4], type: 1) { _ in }.count == 0)
  }

  @Test func disagreements() {
    func refusal(_ dims: [Int], type: Int, _ data: (inout WireWriter) -> Void) -> Diagnostic.Kind? {
      ModelWriter.refusal(
        ModelWriter.model {
          $0.initializer("w", dims, type: type, data)
          $0.output("w")
        }
      ).first?.kind
    }
    #expect(refusal([2], type: 1) { $0.bytes(9, [0, 0, 0, 0]) } == .invalidModel)
    #expect(refusal([2], type: 1) { $0.bytes(4, littleEndian([Float(1)])) } == .invalidModel)
    #expect(refusal([1], type: 1) { $0.bytes(7, [1]) } == .invalidModel)
    #expect(refusal([1], type: 3) { $0.bytes(5, Self.packed([128])) } == .invalidModel)
    #expect(refusal([1], type: 8) { $0.bytes(6, [65]) } == .unsupportedModel)
    #expect(refusal([1], type: 14) { $0.bytes(9, [UInt8](repeating: 0, count: 8)) } == .unsupportedModel)
    #expect(refusal([1], type: 77) { $0.bytes(9, [0]) } == .invalidModel)
  }

  @Test func externalData() throws {
    let root = FileManager.default.temporaryDirectory.appending(path: "furc-external-\(UUID().uuidString)")
    let folder = root.appending(path: "model")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: root) }
    let numbers = Data(littleEndian([Float(1), 2, 3, 4]))
    try numbers.write(to: folder.appending(path: "w.bin"))
    try numbers.write(to: root.appending(path: "secret.bin"))
    try FileManager.default.createSymbolicLink(
      at: folder.appending(path: "link.bin"), withDestinationURL: root.appending(path: "secret.bin"))

    func model(_ entries: [(String, String)]) -> [UInt8] {
      ModelWriter.model {
        $0.initializer("w", [2]) { tensor in
          tensor.varint(14, 1)
          for (key, value) in entries {
            tensor.message(13) {
              $0.text(1, key)
              $0.text(2, value)
            }
          }
        }
        $0.output("w", [2])
      }
    }
    let path = folder.path
    let good = try ModelWriter.importing(
      model([("location", "w.bin"), ("offset", "4"), ("length", "8")]), folder: path)
    #expect(good.graph.values[good.graph.outputs[0]].constant?.floatElements() == [2, 3])
    let toEnd = try ModelWriter.importing(
      model([("location", "./w.bin"), ("offset", "8")]),
      folder: path)
    #expect(toEnd.graph.values[toEnd.graph.outputs[0]].constant?.floatElements() == [3, 4])

    func kind(_ entries: [(String, String)], folder: String? = path) -> Diagnostic.Kind? {
      ModelWriter.refusal(model(entries), folder: folder).first?.kind
    }
    #expect(kind([("location", "../secret.bin"), ("length", "8")]) == .externalData)
    #expect(kind([("location", "x/../../secret.bin"), ("length", "8")]) == .externalData)
    #expect(kind([("location", "link.bin"), ("length", "8")]) == .externalData)
    #expect(kind([("location", root.appending(path: "secret.bin").path), ("length", "8")]) == .externalData)
    #expect(kind([("location", "absent.bin"), ("length", "8")]) == .inputMissing)
    #expect(kind([("location", "w.bin"), ("offset", "12"), ("length", "8")]) == .externalData)
    #expect(kind([("location", "w.bin"), ("offset", "-4"), ("length", "8")]) == .externalData)
    #expect(kind([("location", "w.bin"), ("offset", "99999999999999999999")]) == .externalData)
    #expect(kind([("location", "w.bin"), ("length", "4")]) == .invalidModel)
    #expect(kind([("length", "8")]) == .externalData)
    #expect(kind([("location", "w.bin"), ("length", "8")], folder: nil) == .externalData)
  }
}
