import GraphIR
import Operators
import Support
import Tensors

/// Writes graphs as ONNX models: the newest form of every operator, tensors inside the file.
public enum ONNXExporter {
  /// The bytes of a ModelProto.
  /// - Throws: `unsupportedModel` for the canonical quantized form, which ONNX does not have, and for models
  ///   above 2 GiB, which protobuf does not have; `unknownOperator`.
  public static func export(
    _ graph: Graph, operators: OperatorSet = .standard, producer: String = "furc"
  ) throws(Diagnostic) -> [UInt8] {
    let versions = try versions(of: graph, operators)
    var exporter = GraphExporter(graph, outer: [:], taken: [])
    let body = try exporter.message()
    var model = MessageWriter()
    model.varint(1, irVersion(opset: versions[""] ?? oldestOpset))
    model.text(2, producer)
    model.bytes(7, body)
    for (domain, version) in versions.sorted(by: { $0.key < $1.key }) {
      model.message(8) { opset in
        opset.text(1, domain)
        opset.varint(2, version)
      }
    }
    guard model.bytes.count < 1 << 31 else {
      throw Diagnostic(.unsupportedModel, "a model of \(model.bytes.count) bytes exceeds protobuf's 2 GiB")
    }
    return model.bytes
  }

  /// Writes a model beside `path` and renames it. - Throws: as above, and `cannotWrite`.
  public static func export(
    _ graph: Graph, to path: String, operators: OperatorSet = .standard
  ) throws(Diagnostic) {
    try FileIO.writeAtomically(path, try export(graph, operators: operators))
  }

  /// Nothing older has QDQ with axes.
  private static let oldestOpset: Int64 = 13

  /// The versions whose operators have the forms that the graph holds, by domain.
  private static func versions(
    of graph: Graph, _ operators: OperatorSet
  ) throws(Diagnostic) -> [String: Int64] {
    var versions: [String: Int64] = ["": oldestOpset]
    for id in graph.order {
      let node = graph.nodes[id]
      guard let schema = operators.find(node.op, domain: node.domain)?.schema else {
        throw Diagnostic(.unknownOperator, at: graph.location(of: id), "'\(node.op)' has no known version")
      }
      versions[schema.domain] = max(versions[schema.domain] ?? 1, Int64(schema.since.last ?? 1))
      for region in node.regions {
        versions.merge(try self.versions(of: region, operators)) { max($0, $1) }
      }
    }
    return versions
  }

  /// The IR version that came with an opset version.
  private static func irVersion(opset: Int64) -> Int64 {
    switch opset {
    case ...18: 8
    case ...20: 9
    case ...22: 10
    case ...23: 11
    case ...24: 12
    default: 13
    }
  }
}
