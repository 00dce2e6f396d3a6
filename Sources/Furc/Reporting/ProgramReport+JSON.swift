import Machine
import NPUISA
import NPUInterpreter
import Support
import Tensors

extension ProgramReport {
  /// The keys of `furc compile --json` as far as the file tells them, then what only a report knows.
  public var json: JSON {
    let outline = model.outline
    let totals = counters
    let hostNodes = outline.hostNodes.map { node in
      JSON.object([
        .init("node", .string(node.node)), .init("op", .string(node.op)),
        .init("reason", .string(node.reason)),
      ])
    }
    return .object([
      .init("model", .string(outline.name)), .init("target", .string(model.target.name)),
      .init("precision", .string(outline.precision)), .init("weights", .string(weights)),
      .init("cycles", .integer(Int(cycles))), .init("load_cycles", .integer(Int(loadCycles))),
      .init("latency_us", .number(latency.microseconds, decimals: 3)),
      .init("clock_hz", .integer(machine.clockHz)),
      .init("lower_bound_cycles", .optional(boundCycles)),
      .init("bound", binding.map(JSON.string) ?? .null),
      .init("over_bound", .optional(overBound, decimals: 4)),
      .init("layer_bound_cycles", .optional(layerBoundCycles)), .init("macs", .optional(macs)),
      .init("mac_utilization", .optional(utilization, decimals: 6)),
      .init("sram_bytes", .integer(machine.slices * machine.sramBytesPerSlice)),
      .init("sram_peak_bytes", .integer(sramPeakBytes * machine.slices)),
      .init("dram_read_bytes", .integer(totals.dramReadBytes)),
      .init("dram_write_bytes", .integer(totals.dramWriteBytes)),
      .init("energy_uj", .number(energy.microjoules, decimals: 3)),
      .init("host_nodes", .array(hostNodes)), .init("sha256", .string(digest.hex)),
      .init("latency", latency.json), .init("devices", .array(devices.map(\.json))),
      .init("host_steps", .array(hostSteps.map(\.json))),
    ])
  }
}

extension JSON {
  static func optional(_ value: Int?) -> JSON { value.map(JSON.integer) ?? .null }

  static func optional(_ value: Double?, decimals: Int) -> JSON {
    value.map { .number($0, decimals: decimals) } ?? .null
  }
}

extension DeviceReport {
  fileprivate var json: JSON {
    let terms = layers?.terms.map { JSON.Member($0.name, .integer($0.cycles)) }
    return .object([
      .init("device", .integer(number)), .init("cycles", .integer(Int(cycles))),
      .init("load_cycles", .integer(Int(loadCycles))),
      .init("predicted_cycles", .integer(Int(machine.cycles(program.predictedRunTicks)))),
      .init("weights", .string(weights)),
      .init("bounds", terms.map(JSON.object) ?? .null),
      .init("bound", layers?.binding.map { .string($0.name) } ?? .null),
      .init("layer_bound_cycles", .optional(layers?.layerCycles)),
      .init("idle_cycles", .number(machine.exactCycles(idleTicks), decimals: 2)),
      .init(
        "busy_cycles",
        .object(
          busyTicks.enumerated().map { index, ticks in
            .init(Context(index: index).label, .number(machine.exactCycles(ticks), decimals: 2))
          })),
      .init(
        "limits",
        .object(limits.map { .init($0.name, .number(machine.exactCycles($0.ticks), decimals: 2)) })),
      .init("kernels", .array(kernels.map(json))), .init("memory", memory),
    ])
  }

  private func json(_ kernel: KernelCost) -> JSON {
    func cycles(_ ticks: Int64) -> JSON { .number(machine.exactCycles(ticks), decimals: 2) }
    let totals = kernel.counters
    let nodes = kernel.nodes.map { node in
      JSON.object([
        .init("index", .integer(node.index)), .init("op", .string(node.op)),
        .init("name", .string(node.name)),
      ])
    }
    return .object([
      .init("kernel", .integer(kernel.index)), .init("name", .string(kernel.name)),
      .init("nodes", .array(nodes)), .init("form", .string(kernel.form)),
      .init("cycles", cycles(kernel.ticks)),
      .init("main_cycles", cycles(kernel.mainTicks)), .init("sub_cycles", cycles(kernel.subTicks)),
      .init("dma_cycles", cycles(kernel.dmaTicks)),
      .init("start_cycle", kernel.instructions > 0 ? cycles(kernel.startTick) : .null),
      .init("end_cycle", kernel.instructions > 0 ? cycles(kernel.endTick) : .null),
      .init("bound_cycles", .optional(kernel.boundCycles)),
      .init("bound", kernel.layer.map { bound($0.bound) } ?? .null), .init("macs", .optional(kernel.macs)),
      .init("mac_utilization", .optional(kernel.utilization(on: machine), decimals: 6)),
      .init("dram_read_bytes", .integer(totals.dramReadBytes)),
      .init("dram_write_bytes", .integer(totals.dramWriteBytes)),
      .init("sram_read_bytes", .integer(totals.sramReadBytes)),
      .init("sram_write_bytes", .integer(totals.sramWriteBytes)),
      .init("energy_uj", .number(kernel.energy(on: machine).microjoules, decimals: 6)),
      .init("instructions", .integer(kernel.instructions)),
      .init("load_instructions", .integer(kernel.loadInstructions)),
      .init("slices", .integer(kernel.slices)), .init("limit", .string(kernel.limit)),
      .init("limits", .object(kernel.limits.map { .init($0.name, cycles($0.ticks)) })),
      .init("place", .string("device")), .init("reason", .string("the target takes every kernel of it")),
    ])
  }

  private func bound(_ layer: Bounds.Layer) -> JSON {
    .object([
      .init("mac", .integer(layer.mac)), .init("vector", .integer(layer.vector)),
      .init("port", .integer(layer.port)), .init("issue", .integer(layer.issue)),
    ])
  }

  private var memory: JSON {
    let ports = (program.inputs + program.outputs).map { port in
      JSON.object([
        .init("name", .string(port.name)), .init("type", .string("\(port.type)")),
        .init("address", .integer(Int(port.address))),
        .init("bytes", .integer((try? port.type.byteCount().bytes) ?? 0)),
      ])
    }
    let regions = regions.map { region in
      JSON.object([
        .init("kernel", .integer(region.kernel)), .init("name", .string(region.name)),
        .init("offset", .integer(Int(region.bytes.lowerBound))), .init("bytes", .integer(region.bytes.count)),
        .init("start_cycle", .number(machine.exactCycles(region.startTick), decimals: 2)),
        .init("end_cycle", .number(machine.exactCycles(region.endTick), decimals: 2)),
        .init("resident", .bool(region.isResident)), .init("copied", .bool(region.isCopied)),
      ])
    }
    return .object([
      .init("dram_bytes", .integer(Int(program.dramBytes))), .init("image_bytes", .integer(imageBytes)),
      .init("sram_peak_bytes_per_slice", .integer(sramPeakBytes)), .init("ports", .array(ports)),
      .init("sram_regions", .array(regions)),
    ])
  }
}

extension ProgramReport.HostStep {
  fileprivate var json: JSON {
    let items = nodes.map { node in
      JSON.object([
        .init("op", .string(node.op)), .init("name", .string(node.name)),
        .init("reason", .string(node.reason)),
      ])
    }
    return .object([
      .init("kind", .string(kind.rawValue)), .init("elements", .integer(elements)),
      .init("host_us", .number(microseconds, decimals: 3)), .init("nodes", .array(items)),
    ])
  }
}
