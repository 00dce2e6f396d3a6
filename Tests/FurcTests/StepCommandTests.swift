import Furc
import GraphIR
import ONNX
import Support
import Tensors
import Testing

/// `furc run --steps`, and extents that models leave open.
struct StepCommandTests {
  /// y = x + s, and the next s. `batch` is open.
  private static let counter: String = {
    let text = """
      graph "counter" {
        %0 "x": f32[batch,2] = input
        %1 "s": f32[batch,2] = input
        %2 "y": f32[batch,2] = Add (%0, %1)
        %3 "next": f32[batch,2] = Identity (%2)
        return %2, %3
      }
      """
    return write(text, "counter.onnx")
  }()

  private static func write(_ text: String, _ name: String) -> String {
    let graph = try? Graph(text: text)
    guard let graph, let bytes = try? ONNXExporter.export(graph) else { return "" }
    return (try? Files.write(name, bytes)) ?? ""
  }

  private func npz(_ name: String, _ arrays: [(String, Tensor)]) throws -> String {
    var writer = NPZWriter()
    for (name, tensor) in arrays { try writer.add(name, tensor) }
    try writer.write(Files.path(name))
    return Files.path(name)
  }

  private func tensor(_ shape: [Int], _ values: [Float]) throws -> Tensor {
    try Tensor(TensorType(.f32, shape), values)
  }

  @Test func rowsAreFedStepByStep() throws {
    let x = try tensor([3, 1, 2], [1, 2, 10, 20, 100, 200])
    let data = try npz("steps.npz", [("x", x), ("s", try tensor([1, 2], [0.5, 0.25]))])
    for mode in [[], ["--strict"], ["--no-optimize"]] {
      let outcome = furc(
        [
          "run", Self.counter, "--steps", "3", "--state", "s=next", "--input", data, "-o",
          Files.path("stepped.npz"),
        ] + mode)
      #expect(outcome.status == 0, "\(outcome.messages)")
      let result = try NPZArchive(Files.path("stepped.npz"))
      let y = try result.tensor(named: "y")
      #expect(y == (try tensor([3, 1, 2], [1.5, 2.25, 11.5, 22.25, 111.5, 222.25])))
      #expect(try result.tensor(named: "next") == (try tensor([1, 2], [111.5, 222.25])))
    }
  }

  @Test func constantsAreFedAgainAndStatesStartWithZeros() throws {
    let data = try npz("constant.npz", [("x", try tensor([2, 2], [1, 2, 3, 4]))])
    let outcome = furc([
      "run", Self.counter, "--steps", "4", "--state", "s=next", "--input", data, "-o",
      Files.path("again.npz"),
    ])
    #expect(outcome.status == 0, "\(outcome.messages)")
    let next = try NPZArchive(Files.path("again.npz")).tensor(named: "next")
    #expect(next == (try tensor([2, 2], [4, 8, 12, 16])))
    let random = furc(["run", Self.counter, "--steps", "2", "--state", "s=next", "--json"])
    #expect(random.status == 0 && random.object["seconds"] is Double)
  }

  @Test func binariesStepToo() throws {
    let outcome = furc(["run", Files.binary, "--steps", "2", "--json"])
    let once = furc(["run", Files.binary, "--json"])
    #expect(outcome.status == 0, "\(outcome.messages)")
    let cycles = once.object["cycles"] as? Int ?? 0
    #expect(cycles > 0 && outcome.object["cycles"] as? Int == 2 * cycles)
  }

  @Test func wrongStepsAreRefused() throws {
    let x = try npz("wrong.npz", [("x", try tensor([2, 1, 2], [1, 2, 3, 4]))])
    let run = ["run", Self.counter, "--input", x]
    let cases: [([String], Int32, String)] = [
      (["--steps", "0"], 64, "--steps is 0"), (["--state", "s=next"], 64, "--state needs --steps"),
      (["--steps", "2", "--state", "next"], 64, "--state is 'next'"),
      (["--steps", "2", "--state", "s=z"], 65, "'s=z' does not link"),
      (["--steps", "2", "--state", "z=next"], 65, "'z=next' does not link"),
      (["--steps", "3", "--state", "s=next"], 65, "for 3 steps"),
      (["--steps", "2"], 65, "no data is given for input 's'"),
    ]
    for (more, status, message) in cases {
      let outcome = furc(run + more)
      #expect(outcome.status == status && outcome.messages.contains(message), "\(more): \(outcome.messages)")
    }
  }

  /// A window of 3 over an open extent: 1 does not do.
  @Test func openExtentsAreChosenOrNamed() throws {
    let pool = """
      graph "pool" {
        %0 "x": f32[batch,1,height,4] = input
        %1 "y": f32[batch,1,?,2] = MaxPool (%0) {kernel_shape = [3, 3]}
        return %1
      }
      """
    let path = Self.write(pool, "pool.onnx")
    let chosen = furc(["run", path])
    #expect(chosen.status == 0 && chosen.data.contains("f32[1,1,30,2]"), "\(chosen.messages)")
    let given = furc(["run", path, "--dim", "height=5", "--dim", "batch=2"])
    #expect(given.status == 0 && given.data.contains("f32[2,1,3,2]"), "\(given.messages)")
    let large = Self.write(pool.replacing("[3, 3]", with: "[300, 3]"), "large.onnx")
    let refused = furc(["run", large])
    #expect(refused.status == 65)
    #expect(refused.diagnostic?.contains("a window of 300 over an extent of 1") == true)
    #expect(
      refused.messages.contains("--dim name=extent: they are ") && refused.messages.contains("height"),
      "\(refused.messages)")
  }
}
