import Foundation
import GraphIR
import ONNX
import Support
import Tensors
import Testing

/// Small models, as bytes.
enum ModelWriter {
  static func model(
    ir: Int = 8, opset: Int = 17, functions: [(inout WireWriter) -> Void] = [],
    domains: [(String, Int)] = [], graph: (inout WireWriter) -> Void
  ) -> [UInt8] {
    WireWriter.make { model in
      model.varint(1, ir)
      model.message(7, graph)
      for (domain, version) in [("", opset)] + domains {
        model.message(8) {
          $0.text(1, domain)
          $0.varint(2, version)
        }
      }
      for function in functions { model.message(25, function) }
    }
  }

  static func importing(
    _ bytes: [UInt8], folder: String? = nil, options: ImportOptions = ImportOptions()
  ) throws(Diagnostics) -> ImportedModel {
    let storage = Storage(count: bytes.count) { $0.copyBytes(from: bytes) }
    return try ONNXImporter.importModel(storage, folder: folder, options: options)
  }

  /// What is wrong with a model, or nothing.
  static func refusal(
    _ bytes: [UInt8], folder: String? = nil, options: ImportOptions = ImportOptions()
  ) -> [Diagnostic] {
    do { _ = try importing(bytes, folder: folder, options: options) } catch { return error.items }
    return []
  }

  /// The repository's samples.
  static func sample(_ path: String) -> URL {
    URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../Samples/models/\(path)")
      .standardizedFileURL
  }
}

/// An extent of a stated shape.
enum TestDimension: ExpressibleByIntegerLiteral, ExpressibleByStringLiteral {
  case fixed(Int)
  case named(String)

  init(integerLiteral value: Int) { self = .fixed(value) }
  init(stringLiteral value: String) { self = .named(value) }
}

extension WireWriter {
  /// Fields of GraphProto.
  mutating func node(
    _ op: String, _ inputs: [String], _ outputs: [String], name: String = "", domain: String = "",
    _ attributes: [(inout WireWriter) -> Void] = []
  ) {
    message(1) { node in
      for input in inputs { node.text(1, input) }
      for output in outputs { node.text(2, output) }
      node.text(3, name)
      node.text(4, op)
      if !domain.isEmpty { node.text(7, domain) }
      for attribute in attributes { node.message(5, attribute) }
    }
  }

  mutating func input(_ name: String, _ dims: [TestDimension], type: Int = 1) {
    valueInfo(11, name, dims, type: type)
  }

  mutating func output(_ name: String, _ dims: [TestDimension]? = nil, type: Int = 1) {
    valueInfo(12, name, dims, type: type)
  }

  mutating func valueInfo(_ field: Int, _ name: String, _ dims: [TestDimension]?, type: Int) {
    message(field) { info in
      info.text(1, name)
      info.message(2) { value in
        value.message(1) { tensor in
          tensor.varint(1, type)
          guard let dims else { return }
          tensor.message(2) { shape in
            for dim in dims {
              shape.message(1) { item in
                switch dim {
                case .fixed(let extent): item.varint(1, extent)
                case .named(let name): item.text(2, name)
                }
              }
            }
          }
        }
      }
    }
  }

  mutating func initializer(
    _ name: String, _ dims: [Int], type: Int = 1, _ data: (inout WireWriter) -> Void = { _ in }
  ) {
    message(5) { tensor in
      for dim in dims { tensor.varint(1, dim) }
      tensor.varint(2, type)
      tensor.text(8, name)
      data(&tensor)
    }
  }

  mutating func floats(_ name: String, _ dims: [Int], _ values: [Float]) {
    initializer(name, dims) { $0.bytes(9, littleEndian(values)) }
  }

  mutating func int64s(_ name: String, _ values: [Int64]) {
    initializer(name, [values.count], type: 7) { $0.bytes(9, littleEndian(values)) }
  }
}

/// Fields of AttributeProto.
func attribute(_ name: String, int value: Int) -> (inout WireWriter) -> Void {
  {
    $0.text(1, name)
    $0.varint(3, value)
    $0.varint(20, 2)
  }
}

func attribute(_ name: String, float value: Float) -> (inout WireWriter) -> Void {
  {
    $0.text(1, name)
    $0.float(2, value)
    $0.varint(20, 1)
  }
}

func attribute(_ name: String, ints values: [Int]) -> (inout WireWriter) -> Void {
  {
    $0.text(1, name)
    for value in values { $0.varint(8, value) }
    $0.varint(20, 7)
  }
}

func attribute(_ name: String, string value: String) -> (inout WireWriter) -> Void {
  {
    $0.text(1, name)
    $0.text(4, value)
    $0.varint(20, 3)
  }
}

func attribute(_ name: String, graph: @escaping (inout WireWriter) -> Void) -> (inout WireWriter) -> Void {
  {
    $0.text(1, name)
    $0.message(6, graph)
    $0.varint(20, 5)
  }
}
