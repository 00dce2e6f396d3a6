import Executor
import Support
import Tensors

/// How long a model takes on the executor, kernel by kernel, beside what the machine can do.
public struct ExecutorBench: Sendable {
  /// What reading the model took.
  public struct Import: Sendable {
    /// Wall time.
    public let seconds: Double
    /// By how much the process's resident memory grew.
    public let residentBytes: Int

    /// As measured around the import.
    public init(seconds: Double, residentBytes: Int) {
      self.seconds = seconds
      self.residentBytes = residentBytes
    }
  }

  /// What reading took.
  public let importing: Import
  /// That the executor had.
  public let threads: Int
  /// The shortest run.
  public let seconds: Double
  /// The first run, which makes the plan.
  public let firstSeconds: Double
  /// Of every kernel, in the order of the run.
  public let timings: [GraphExecutor.Timing]
  /// What the machine can do at most, measured beside the runs.
  public let peaks: MachinePeaks

  /// Runs a model and times its kernels.
  /// - Parameters:
  ///   - executor: of the model.
  ///   - inputs: by name.
  ///   - runs: at least 1.
  ///   - importing: what reading the model took.
  /// - Throws: what the executor throws.
  public static func measure(
    _ executor: GraphExecutor, _ inputs: [String: Tensor], runs: Int, importing: Import
  ) throws(Diagnostic) -> ExecutorBench {
    func timed() throws(Diagnostic) -> Double {
      let start = ContinuousClock.now
      _ = try executor.run(inputs)
      return (ContinuousClock.now - start).inSeconds
    }
    let first = try timed()
    var best = Double.infinity
    for _ in 0..<max(runs, 1) { best = min(best, try timed()) }
    return ExecutorBench(
      importing: importing, threads: executor.options.threads, seconds: best, firstSeconds: first,
      timings: try executor.timings(for: inputs, runs: max(runs, 1)), peaks: .measured(executor.options))
  }

  /// Kernels of one kind.
  public struct Kind: Sendable {
    /// Of the kernel.
    public let name: String
    /// How many there are.
    public var count = 0
    /// Of all of them in one run.
    public var seconds = 0.0
    /// Multiply-adds.
    public var macs = 0
    /// Of all operands and results.
    public var bytes = 0
  }

  /// By the kernels' names, the longest first.
  public var kinds: [Kind] {
    var kinds: [Kind] = []
    for timing in timings {
      let name = timing.placement.choice.name
      let index = kinds.firstIndex { $0.name == name } ?? kinds.count
      if index == kinds.count { kinds.append(Kind(name: name)) }
      kinds[index].count += 1
      kinds[index].seconds += timing.seconds
      kinds[index].macs += timing.placement.macs
      kinds[index].bytes += timing.placement.bytes
    }
    return kinds.sorted { ($0.seconds, $1.name) > ($1.seconds, $0.name) }
  }

  /// The peak that bounds kernels of this name, in multiply-adds a second.
  private func peak(of name: String) -> Double {
    name.hasSuffix("i8") ? peaks.i8 : name.hasSuffix("fp8") ? peaks.f64 : peaks.f32
  }

  private func rates(_ name: String, _ seconds: Double, _ macs: Int, _ bytes: Int) -> String {
    guard seconds > 0 else { return "" }
    let compute = Double(macs) / seconds
    let traffic = Double(bytes) / seconds
    let percent =
      macs > 0
      ? "\(padded(fixed(compute * 1e-9, 1), 8)) GMAC/s \(padded(fixed(100 * compute / peak(of: name), 1), 5)) %"
      : String(repeating: " ", count: 23)
    return
      "\(percent)  \(padded(fixed(traffic * 1e-9, 2), 7)) GB/s \(padded(fixed(100 * traffic / peaks.memory, 1), 6)) %"
  }

  /// As text. - Parameter top: how many nodes to list.
  public func lines(top: Int) -> [String] {
    var lines = [
      "import         \(fixed(importing.seconds * 1e3, 3)) ms, "
        + "\(fixed(Double(importing.residentBytes) / 1048576, 1)) MiB more resident",
      "time           \(fixed(seconds * 1e3, 3)) ms at \(threads) threads, the first run \(fixed(firstSeconds * 1e3, 3)) ms",
      "peaks          f32 \(fixed(peaks.f32 * 1e-9, 1)), f64 \(fixed(peaks.f64 * 1e-9, 1)), "
        + "i8 \(fixed(peaks.i8 * 1e-9, 1)) GMAC/s; memory \(fixed(peaks.memory * 1e-9, 1)) GB/s",
      "",
    ]
    for kind in kinds {
      lines.append(
        "\(padded("\(kind.count)", 5)) \(aligned(kind.name, 16)) \(padded(fixed(kind.seconds * 1e3, 3), 10)) ms "
          + rates(kind.name, kind.seconds, kind.macs, kind.bytes))
    }
    guard top > 0 else { return lines }
    lines.append("")
    for timing in timings.sorted(by: { $0.seconds > $1.seconds }).prefix(top) {
      let placement = timing.placement
      lines.append(
        "\(padded(fixed(timing.seconds * 1e3, 3), 9)) ms "
          + rates(placement.choice.name, timing.seconds, placement.macs, placement.bytes)
          + "  \(placement.choice)  \(placement.node)")
    }
    return lines
  }

  /// The keys of `furc bench --json`, in order.
  public var json: JSON {
    func object(_ name: String, _ seconds: Double, _ macs: Int, _ bytes: Int) -> [JSON.Member] {
      [
        .init("kernel", .string(name)), .init("seconds", .number(seconds, decimals: 9)),
        .init("macs", .integer(macs)), .init("bytes", .integer(bytes)),
        .init("of_peak", macs > 0 ? .number(Double(macs) / seconds / peak(of: name), decimals: 4) : .null),
      ]
    }
    return .object([
      .init("seconds", .number(seconds, decimals: 9)),
      .init("first_seconds", .number(firstSeconds, decimals: 9)),
      .init("import_seconds", .number(importing.seconds, decimals: 9)),
      .init("import_resident_bytes", .integer(importing.residentBytes)),
      .init("threads", .integer(threads)),
      .init(
        "peaks",
        .object([
          .init("f32_macs", .number(peaks.f32, decimals: 0)),
          .init("f64_macs", .number(peaks.f64, decimals: 0)),
          .init("i8_macs", .number(peaks.i8, decimals: 0)),
          .init("bytes", .number(peaks.memory, decimals: 0)),
        ])),
      .init(
        "kinds",
        .array(
          kinds.map {
            .object([.init("count", .integer($0.count))] + object($0.name, $0.seconds, $0.macs, $0.bytes))
          })),
      .init(
        "nodes",
        .array(
          timings.map {
            .object(
              [
                .init("node", .string($0.placement.node)),
                .init("reason", .string($0.placement.choice.reason)),
              ]
                + object($0.placement.choice.name, $0.seconds, $0.placement.macs, $0.placement.bytes))
          })),
    ])
  }
}

private func padded(_ text: String, _ width: Int) -> String {
  String(repeating: " ", count: max(0, width - text.count)) + text
}

private func aligned(_ text: String, _ width: Int) -> String {
  text + String(repeating: " ", count: max(0, width - text.count))
}
