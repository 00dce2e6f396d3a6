import Executor
import GraphIR
import Machine
import NPUChecker
import NPUISA
import NPUInterpreter
import Quantization
import Support
import Tensors

extension Session {
  /// Holds a compilation to what it must be: kernels against evaluators, the graph after passes against the model,
  /// the binary against the executor to the byte, the schedule against the interpreter's clock, the checker, and
  /// the quantized model against the float one.
  /// - Throws: what reading data and running the model throws. What is wrong with the binary is in the result.
  public func verify(
    _ compilation: Compilation, calibration: CalibrationData = .random(8),
    _ options: VerifyOptions = VerifyOptions()
  ) throws(Diagnostic) -> Verification {
    var result = Verification()
    let samples = try samples(compilation.model.graph, calibration, options)
    if options.comparesReference, let first = samples.first {
      try compareModels(compilation, first, &result)
      try compareNodes(compilation.canonical, first, &result)
    }
    try compareBinary(compilation, samples, options, &result)
    for program in compilation.compiled.devices {
      result.checkerFindings += check(program, compilation.compiled.target.machine)
    }
    if let first = result.checkerFindings.first {
      result.fail("the checker has \(result.checkerFindings.count) findings, the first: \(first)")
    }
    try compareFloat(compilation, samples, options, &result)
    if options.comparesLayers, let quantization = compilation.quantization {
      result.layers = try layers(quantization, compilation.canonical, samples)
    }
    return result
  }

  /// What the independent checker says of a program.
  public func check(_ program: NPUProgram, _ machine: SliceMachine) -> [Diagnostic] {
    NPUChecker.check(program, on: machine)
  }

  private func samples(
    _ graph: Graph, _ calibration: CalibrationData, _ options: VerifyOptions
  ) throws(Diagnostic) -> [InputSet] {
    let source: any SampleSource
    if let labelled = options.labelled {
      source = try ArchiveSamples(try NPZArchive(labelled.path), for: graph, limit: options.samples)
    } else if case .file(let path) = calibration {
      source = try ArchiveSamples(try NPZArchive(path), for: graph, limit: options.samples)
    } else {
      source = try SyntheticSamples(
        graph, count: options.samples, seed: options.seed, operators: operators)
    }
    var samples: [InputSet] = []
    for index in 0..<source.count { samples.append(try source.sample(index)) }
    return samples
  }

  // MARK: the binary

  private func compareBinary(
    _ compilation: Compilation, _ samples: [InputSet], _ options: VerifyOptions, _ result: inout Verification
  ) throws(Diagnostic) {
    let compiled = compilation.compiled
    let names = compiled.outline.steps.filter { $0.kind == .device }.flatMap(\.outputs)
    let executor = executor(compilation.canonical)
    var expected: [InputSet] = []
    for sample in samples {
      let run = try executor.run(sample, keeping: names)
      var all: InputSet = [:]
      for (name, tensor) in run.kept + run.outputs { all[name] = tensor }
      expected.append(all)
    }
    var modes: [(name: String, mode: NPUInterpreter.Mode, samples: Int)] = [("fast", .fast, samples.count)]
    if options.isStrict { modes.append(("strict", .strict, min(1, samples.count))) }
    for seed in options.jitterSeeds {
      modes.append(("jitter \(seed)", .jitter(seed: seed), min(1, samples.count)))
    }
    for (name, mode, count) in modes where count > 0 {
      var runner = try ProgramRunner(compiled, mode: mode, self)
      var entry = Verification.Mode(name: name, samples: count)
      for (sample, expected) in zip(samples, expected).prefix(count) {
        let run = try runner.run(sample)
        for (name, wanted) in expected.sorted(by: { $0.key < $1.key }) {
          let differing = differingBytes(run.buffers[name], wanted)
          if differing > 0, entry.differingBytes == 0 {
            result.fail(
              "\(differing) bytes of '\(name)' differ between executor and interpreter (\(entry.name))")
          }
          entry.differingBytes += differing
        }
        for finding in run.devices.flatMap(\.findings) { result.fail("the strict interpreter: \(finding)") }
        if case .jitter = mode { continue }
        compareCycles(runner, run, name, &result)
        if name == "fast", result.modes.isEmpty { result.counters = RunTotals(run.devices.map(\.counters)) }
      }
      result.modes.append(entry)
    }
  }

  private func compareCycles(
    _ runner: ProgramRunner, _ run: ProgramRun, _ mode: String, _ result: inout Verification
  ) {
    let machine = runner.model.target.machine
    result.predictedCycles = runner.model.devices.reduce(0) { $0 + machine.cycles($1.predictedRunTicks) }
    result.predictedLoadCycles = runner.model.devices.reduce(0) { $0 + machine.cycles($1.predictedLoadTicks) }
    result.executedCycles = run.cycles
    result.executedLoadCycles = runner.loads.reduce(0) { $0 + $1.cycles }
    let isEqual =
      result.predictedCycles == result.executedCycles
      && result.predictedLoadCycles == result.executedLoadCycles
    if !isEqual, !result.failures.contains(where: { $0.message.hasPrefix("the schedule") }) {
      result.fail(
        "the schedule predicts \(result.predictedCycles) cycles (load \(result.predictedLoadCycles)), the \(mode) "
          + "interpreter counts \(result.executedCycles) (load \(result.executedLoadCycles))")
    }
  }
}

extension RunTotals {
  init(_ counters: [RunCounters]) {
    for one in counters {
      macs += one.multiplyAdds
      sramBytes += one.sramReadBytes + one.sramWriteBytes
      dramReadBytes += one.dramReadBytes
      dramWriteBytes += one.dramWriteBytes
      vectorSteps += one.vectorSteps
    }
  }
}

extension SliceMachine {
  /// Whole cycles of a number of ticks, rounded up.
  func cycles(_ ticks: Int64) -> Int64 { (ticks + Int64(ticksPerCycle) - 1) / Int64(ticksPerCycle) }
}

/// How many bytes of a tensor are not as wanted; all of them where it is missing or of another type.
func differingBytes(_ tensor: Tensor?, _ wanted: Tensor) -> Int {
  guard let tensor, tensor.type == wanted.type else { return max(wanted.bytes.count, 1) }
  guard tensor != wanted else { return 0 }
  return tensor.withBytes { a in wanted.withBytes { b in zip(a, b).count { $0 != $1 } } }
}
