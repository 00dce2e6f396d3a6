import Machine
import NPUInterpreter
import Support
import Tensors

/// How long the fast interpreter takes for a compiled model, beside the device that it stands for.
public struct InterpreterBench: Sendable {
  /// That the interpreter had.
  public let threads: Int
  /// Wall time of the shortest run, conversions and host steps included.
  public let seconds: Double
  /// The first run, with the load programs.
  public let firstSeconds: Double
  /// Reading the file and decoding its programs.
  public let loadSeconds: Double
  /// Of all device steps of a run.
  public let cycles: Int64
  /// The same in the device's own time.
  public let deviceSeconds: Double

  /// Runs a compiled model.
  /// - Parameters:
  ///   - model: as read from its file.
  ///   - inputs: by name.
  ///   - runs: at least 1, after the first.
  ///   - loading: what reading the file took.
  ///   - session: its threads are the interpreter's.
  /// - Throws: what the runner throws.
  public static func measure(
    _ model: CompiledModel, _ inputs: InputSet, runs: Int, loading: Double, _ session: Session = Session()
  ) throws(Diagnostic) -> InterpreterBench {
    var watch = Stopwatch()
    var runner = try ProgramRunner(model, mode: .fast, session)
    let decoding = watch.lap()
    let first = try runner.run(inputs)
    let firstSeconds = watch.lap()
    var best = Double.infinity
    for _ in 0..<max(runs, 1) {
      _ = try runner.run(inputs)
      best = min(best, watch.lap())
    }
    return InterpreterBench(
      threads: session.threads, seconds: best, firstSeconds: firstSeconds, loadSeconds: loading + decoding,
      cycles: first.cycles, deviceSeconds: Double(first.cycles) / Double(model.target.machine.clockHz))
  }

  /// As text.
  public var lines: [String] {
    [
      "load           \(fixed(loadSeconds * 1e3, 3)) ms",
      "time           \(fixed(seconds * 1e3, 3)) ms at \(threads) threads, the first run \(fixed(firstSeconds * 1e3, 3)) ms",
      "cycles         \(cycles), \(fixed(Double(cycles) / seconds * 1e-6, 1)) million a second",
      "device         \(fixed(deviceSeconds * 1e3, 3)) ms, interpreted \(fixed(seconds / max(deviceSeconds, 1e-12), 1)) times slower",
    ]
  }

  /// The keys of `furc bench --json` for a .fur, in order.
  public var json: JSON {
    .object([
      .init("seconds", .number(seconds, decimals: 9)),
      .init("first_seconds", .number(firstSeconds, decimals: 9)),
      .init("load_seconds", .number(loadSeconds, decimals: 9)),
      .init("threads", .integer(threads)),
      .init("cycles", .integer(Int(cycles))),
      .init("device_seconds", .number(deviceSeconds, decimals: 9)),
    ])
  }
}
