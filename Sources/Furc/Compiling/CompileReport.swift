import GraphIR
import KernelIR
import Machine
import NPUISA
import Quantization
import Support
import Tensors

/// The figures of a compilation: what `furc compile` prints.
public struct CompileReport: Sendable {
  /// What the figures are of.
  public let compilation: Compilation
  /// Of the verification, or nil where there was none; energy and traffic come from its run.
  public let verification: Verification?
  /// Of each device step.
  public let bounds: [Bounds]
  /// Of one run: of all device steps, as their schedules predict.
  public let cycles: Int64
  /// Of what is placed once before any run.
  public let loadCycles: Int64
  /// `resident`, `streamed`, or `none` where no device step has constants.
  public let weights: String

  /// - Parameters:
  ///   - compilation: what to report.
  ///   - verification: of it; nil leaves out traffic and energy, which come from a run.
  public init(_ compilation: Compilation, _ verification: Verification?) {
    self.compilation = compilation
    self.verification = verification
    let machine = compilation.compiled.target.machine
    var bounds: [Bounds] = []
    var isResident = false
    for (device, program) in zip(compilation.devices, compilation.compiled.devices) {
      let places = !program.load.isEmpty
      isResident = isResident || places
      bounds.append(Bounds(device.kernels, on: machine, weights: places ? .resident : .streamed))
    }
    self.bounds = bounds
    weights = isResident ? "resident" : "streamed"
    cycles = compilation.compiled.devices.reduce(0) { $0 + machine.cycles($1.predictedRunTicks) }
    loadCycles = compilation.compiled.devices.reduce(0) { $0 + machine.cycles($1.predictedLoadTicks) }
  }

  private var machine: SliceMachine { compilation.compiled.target.machine }

  /// What the cycles of all device steps cannot undercut.
  public var boundCycles: Int { bounds.reduce(0) { $0 + $1.binding.cycles } }

  /// The term that binds the device step of the largest bound.
  public var binding: String { bounds.max { $0.binding.cycles < $1.binding.cycles }?.binding.name ?? "none" }

  /// What they cannot undercut as long as kernels are not fused.
  public var layerBoundCycles: Int { bounds.reduce(0) { $0 + $1.layerCycles } }

  /// Multiply-adds of the model, those with elements out of bounds included.
  public var macs: Int {
    compilation.devices.reduce(0) { $0 + $1.kernels.macs }
  }

  /// Cycles above the bound, as a share of it; nil without device steps.
  public var overBound: Double? {
    boundCycles > 0 ? Double(cycles) / Double(boundCycles) - 1 : nil
  }

  /// Multiply-adds of the model per multiply-add that the machine could do in the time.
  public var utilization: Double? {
    let perCycle = Double(machine.slices * machine.lanes * machine.packetBytes)
    return cycles > 0 ? Double(macs) / (Double(cycles) * perCycle) : nil
  }

  /// Launch, link, conversions and host segments from the target's rates, and the cycles, in microseconds.
  public var latency: Double { Latency(compilation.compiled, cycles: cycles).microseconds }

  /// From the counters of the verification's run; nil without one.
  private var spent: Energy? {
    verification.map { verification in
      let totals = verification.counters
      return Energy(
        on: machine, macs: totals.macs, sramBytes: totals.sramBytes,
        dramBytes: totals.dramReadBytes + totals.dramWriteBytes, vectorSteps: totals.vectorSteps)
    }
  }

  /// In microjoules.
  public var energy: Double? { spent?.microjoules }

  /// A warning where the energy over the time is above what the card may draw.
  public var thermalWarning: Diagnostic? {
    spent?.warning(cycles: Int(cycles), on: machine).map { Diagnostic(.thermalLimit, $0) }
  }

  /// Bytes of a slice's SRAM that the largest device step uses.
  public var sramPeak: Int {
    compilation.compiled.devices.map { $0.sramPeakBytes(window: Int64(machine.sramWindowBytes)) }.max() ?? 0
  }

  /// The keys of `furc compile --json`, in order.
  public var json: JSON {
    let outline = compilation.compiled.outline
    let seconds = compilation.seconds
    let totals = verification?.counters
    let hostNodes = outline.hostNodes.map { node in
      JSON.object([
        .init("node", .string(node.node)), .init("op", .string(node.op)),
        .init("reason", .string(node.reason)),
      ])
    }
    return .object([
      .init("model", .string(outline.name)), .init("target", .string(compilation.compiled.target.name)),
      .init("precision", .string(outline.precision)), .init("weights", .string(weights)),
      .init("cycles", .integer(Int(cycles))), .init("load_cycles", .integer(Int(loadCycles))),
      .init("latency_us", .number(latency, decimals: 3)), .init("clock_hz", .integer(machine.clockHz)),
      .init("lower_bound_cycles", .integer(boundCycles)),
      .init("bound", .string(binding)),
      .init("over_bound", overBound.map { .number($0, decimals: 4) } ?? .null),
      .init("layer_bound_cycles", .integer(layerBoundCycles)), .init("macs", .integer(macs)),
      .init("mac_utilization", utilization.map { .number($0, decimals: 6) } ?? .null),
      .init("sram_bytes", .integer(machine.slices * machine.sramBytesPerSlice)),
      .init("sram_peak_bytes", .integer(sramPeak * machine.slices)),
      .init("dram_read_bytes", totals.map { .integer($0.dramReadBytes) } ?? .null),
      .init("dram_write_bytes", totals.map { .integer($0.dramWriteBytes) } ?? .null),
      .init("energy_uj", energy.map { .number($0, decimals: 3) } ?? .null),
      .init("host_nodes", .array(hostNodes)), .init("sha256", .string(compilation.digest.hex)),
      .init("calibration", .string(calibration)),
      .init("quantization", quantization.map { .object($0.members) } ?? .null),
      .init(
        "seconds",
        .object([
          .init("import", .number(seconds.load, decimals: 3)),
          .init("passes", .number(seconds.passes, decimals: 3)),
          .init("quantize", .number(seconds.quantize, decimals: 3)),
          .init("map", .number(seconds.map, decimals: 3)), .init("schedule", .number(0, decimals: 3)),
          .init("emit", .number(seconds.emit, decimals: 3)),
          .init("verify", .number(seconds.verify, decimals: 3)),
          .init("total", .number(seconds.total, decimals: 3)),
        ])),
    ])
  }

  /// `model` where the model came quantized or the target takes floats, else `data` or `synthetic`.
  public var calibration: String {
    guard compilation.quantization != nil else { return "model" }
    return compilation.warnings.contains { $0.kind == .syntheticCalibration } ? "synthetic" : "data"
  }

  private var quantization: QuantizationReport? {
    compilation.quantization.map { QuantizationReport($0.result) }
  }

  /// The same for people.
  public var lines: [String] {
    let outline = compilation.compiled.outline
    var lines = [
      "\(outline.name) for \(compilation.compiled.target.name): \(outline.precision), weights \(weights)",
      "cycles         \(cycles) (\(weights) weights), load \(loadCycles)",
      "latency        \(fixed(latency, 2)) us",
      "lower bound    \(boundCycles) cycles (\(binding))"
        + (overBound.map { ", \(fixed($0 * 100, 1)) % over" } ?? ""),
      "layer bound    \(layerBoundCycles) cycles",
      "macs           \(macs)" + (utilization.map { ", utilization \(fixed($0 * 100, 2)) %" } ?? ""),
      "sram peak      \(sramPeak) of \(machine.sramBytesPerSlice) bytes a slice",
    ]
    if let totals = verification?.counters {
      lines.append("dram           \(totals.dramReadBytes) bytes read, \(totals.dramWriteBytes) written")
    }
    if let energy { lines.append("energy         \(fixed(energy, 2)) uJ") }
    lines.append("calibration    \(calibration)")
    for (output, ratio) in quantization?.result.sqnr ?? [] {
      lines.append("sqnr           \(output): \(decibels(ratio.decibels))")
    }
    lines += quantization?.kept ?? []
    if !outline.hostNodes.isEmpty { lines.append("host nodes     \(outline.hostNodes.count)") }
    for node in outline.hostNodes { lines.append("  \(node.op) '\(node.node)': \(node.reason)") }
    lines.append("sha256         \(compilation.digest.hex)")
    return lines
  }
}
