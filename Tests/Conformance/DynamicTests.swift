import Executor
import Foundation
import Furc
import GraphIR
import Quantization
import Support
import Tensors
import Testing

/// Models with open dimensions, at several shapes in one process.
@Suite(.serialized) struct DynamicTests {
  /// The shapes of an input at three sizes.
  static let shapes: [String: [[Int]]] = [
    "yunet_n_dynamic": [[1, 3, 32, 32], [2, 3, 64, 32], [1, 3, 32, 96]],
    "ppocr3_en_det": [[1, 3, 32, 32], [1, 3, 32, 64], [2, 3, 64, 32]],
    "ppocr2_cls": [[1, 3, 48, 96], [2, 3, 48, 64], [1, 3, 64, 64]],
    "bert_toy_opset10": [[1, 4], [2, 7], [3, 1]],
  ]
  static let models = ModelFile.all.filter { shapes.keys.contains($0.stem) }

  private func inputs(_ graph: Graph, _ shape: [Int]) throws -> InputSet {
    var random = SeededRandom(seed: UInt64(shape.reduce(1, *)))
    var inputs: InputSet = [:]
    for port in graph.inputPorts {
      let isFloat = port.type.element.isFloat
      inputs[port.name] = try Tensor(TensorType(isFloat ? .f32 : .i32, shape)) { _ in
        isFloat
          ? .f32(Float.random(in: -1...1, using: &random)) : .i32(Int32.random(in: 0...1, using: &random))
      }.converted(to: port.type.element)
    }
    return inputs
  }

  @Test(arguments: models) func shapesAreBoundByEachRun(_ model: ModelFile) throws {
    let session = Session()
    for graph in try model.graphs(session) {
      let (reference, fast) = (session.executor(graph, .reference), session.executor(graph))
      let shapes = Self.shapes[model.stem] ?? []
      for shape in shapes + shapes {
        let inputs = try inputs(graph, shape)
        let (wanted, found) = (try reference.run(inputs).outputs, try fast.run(inputs).outputs)
        #expect(found.map(\.tensor) == wanted.map(\.tensor), "\(shape)")
        #expect(found.allSatisfy { $0.tensor.shape[0] == shape[0] })
      }
    }
  }

  /// The peak of a process that runs the model a thousand times is that of one that runs it a few times.
  @Test(arguments: models) func repeatedRunsTakeNoMoreMemory(_ model: ModelFile) throws {
    let few = try Self.peak(model.path("onnx"), repeats: 50)
    let many = try Self.peak(model.path("onnx"), repeats: 1000)
    #expect(few > 4 << 10 && many - few < 4 << 10, "\(few) KiB, then \(many) KiB")
  }

  /// Resident growth over alternating shapes, alone in the process: with `FURC_ALL=1` and a filter.
  @Test(.enabled(if: CaseTests.isEverything), arguments: models)
  func alternatingShapesTakeNoMoreMemory(_ model: ModelFile) throws {
    let session = Session()
    let graph = try model.graphs(session)[1]
    let executor = session.executor(graph)
    let sets = try (Self.shapes[model.stem] ?? []).map { try inputs(graph, $0) }
    for index in 0..<100 { _ = try executor.run(sets[index % sets.count]) }
    var sizes = [ProcessMemory.resident >> 10]
    for _ in 0..<5 {
      for index in 0..<1000 { _ = try executor.run(sets[index % sets.count]) }
      sizes.append(ProcessMemory.resident >> 10)
    }
    print("\(model.stem): \(sizes) KiB resident after each 1000 runs")
    #expect(sizes[5] - sizes[1] < 2 << 10)
  }

  /// The largest resident size of `furc run`, in KiB, as seen while it runs.
  private static func peak(_ model: String, repeats: Int) throws -> Int {
    let tool = URL(filePath: CommandLine.arguments[0]).deletingLastPathComponent().appending(path: "furc")
    let process = Process()
    process.executableURL = tool
    process.arguments = ["run", model, "--repeat", "\(repeats)", "--threads", "1"]
    process.standardOutput = FileHandle.nullDevice
    try process.run()
    var peak = 0
    while process.isRunning {
      let status = try? String(
        contentsOfFile: "/proc/\(process.processIdentifier)/status", encoding: .utf8)
      let line = status?.split(separator: "\n").first { $0.hasPrefix("VmHWM:") }
      let size = line?.split(whereSeparator: \.isWhitespace).dropFirst().first.flatMap { Int($0) }
      peak = max(peak, size ?? 0)
      usleep(500)
    }
    #expect(process.terminationStatus == 0)
    return peak
  }
}
