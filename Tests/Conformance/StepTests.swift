import Executor
import Foundation
import Furc
import GraphIR
import Support
import Tensors
import Testing

/// Models with a state, over the hundred steps of `<stem>.steps.npz`, which holds `in<t>.*`, `out<t>.*` and
/// `const.*`, the names of the state's input and output, its first and its last value.
struct StepTests {
  @Test(arguments: ModelFile.all.filter { $0.has("steps.npz") })
  func statesAreFedBack(_ model: ModelFile) throws {
    let archive = try NPZArchive(model.path("steps.npz"))
    let names = try archive.strings(named: "state.names")
    let link = StateLink(input: names[0], output: names[1])
    let steps = (0...).first { step in !archive.names.contains { $0.hasPrefix("in\(step).") } } ?? 0
    var arrays: InputSet = [:]
    for name in archive.names {
      let input = String(name.drop { $0 != "." }.dropFirst())
      if name.hasPrefix("const.") { arrays[input] = try archive.tensor(named: name) }
      if name.hasPrefix("in0.") { arrays[input] = try stacked(archive, "in", input, steps) }
    }
    arrays[link.input] = try archive.tensor(named: "state.in0")
    let session = Session()
    for graph in try model.graphs(session, inputShapes: arrays.mapValues(\.shape)) {
      let outputs = graph.outputs.map { graph.values[$0].name }
      let stepping = try Stepping(
        arrays, for: graph.inputPorts, outputs: outputs, states: [link], steps: steps)
      var results: [[(name: String, tensor: Tensor)]] = []
      for mode in GraphExecutor.Mode.allCases {
        let executor = session.executor(graph, mode)
        results.append(try stepping.run { (inputs) throws(Diagnostic) in try executor.run(inputs).outputs })
      }
      for (reference, fast) in zip(results[0], results[1]) {
        #expect(reference.tensor == fast.tensor, "\(fast.name)")
        let wanted =
          fast.name == link.output
          ? try archive.tensor(named: "state.final") : try stacked(archive, "out", fast.name, steps)
        #expect(fault(fast.tensor, wanted) == nil, "\(fast.name)")
      }
    }
    #expect(steps == 100)
  }

  /// `<kind><t>.<name>` of all steps, one behind the other.
  private func stacked(_ archive: NPZArchive, _ kind: String, _ name: String, _ steps: Int) throws -> Tensor {
    let tensors = try (0..<steps).map { try archive.tensor(named: "\(kind)\($0).\(name)") }
    let type = TensorType(tensors[0].element, [steps] + tensors[0].shape)
    return try Tensor(type, tensors.flatMap { $0.elements(as: Float.self) })
  }
}
