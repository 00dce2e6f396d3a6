import Furc
import Glibc

/// Compiles a model with an operator of its own, without and with a pass of its own, and proves both binaries.
@main struct CustomPass {
  static func main() {
    do { try run() } catch {
      print("failed: \(error)")
      exit(1)
    }
  }

  private static func run() throws {
    let plain = Session(operators: .standard.adding([GlobalRMSPool.self]))
    var session = plain
    session.passes = plain.passes.inserting(
      .hoistRelu, after: "fuse-matmul-add", constraints: [.hoistReluFirst])
    guard session.passes.violations.isEmpty else {
      throw Diagnostic(.verificationFailed, session.passes.violations.joined(separator: "; "))
    }

    let model = try Model.read(try SampleModel.onnx(plain.operators), name: "custom", plain)
    try requireEqualBits(model, plain, session)
    print("hoist-relu changes no bit of the float model")
    try prove(model, plain, "without the pass")
    try prove(model, session, "with the pass")
  }

  /// Holds the float model after the passes of both sessions to equal bytes, by the reference executor.
  private static func requireEqualBits(_ model: Model, _ plain: Session, _ session: Session) throws {
    let inputs = try SyntheticSamples(model.graph, count: 1, operators: plain.operators).sample(0)
    let (before, after) = (try plain.optimized(model.graph), try session.optimized(model.graph))
    guard before != after else { throw Diagnostic(.verificationFailed, "the pass changes nothing") }
    let wanted = try plain.executor(before, .reference).run(inputs).outputs
    let found = try session.executor(after, .reference).run(inputs).outputs
    guard zip(wanted, found).allSatisfy({ $0.tensor == $1.tensor }) else {
      throw Diagnostic(.verificationFailed, "the pass changes the outputs")
    }
  }

  /// Compiles for warboy and holds evaluators, executor, interpreter and checker to each other.
  private static func prove(_ model: Model, _ session: Session, _ title: String) throws {
    var options = CompileOptions()
    options.allowsFallback = false
    let compilation = try session.compile(model, for: try Targets.builtin("warboy"), options)
    let verification = try session.verify(compilation)
    let places = try PlacementReport(compilation).lines().filter { $0.contains(GlobalRMSPool.schema.name) }
    print("\n\(title):")
    for line in places + verification.lines { print("  \(line)") }
    if let failure = verification.failures.first { throw failure }
  }
}
