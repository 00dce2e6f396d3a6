import Machine
import NPUISA
import NPUInterpreter
import Support
import Tensors

extension ProgramReport {
  /// The report for people. - Parameter top: how many kernels of each device program to list; nil lists all.
  public func lines(top: Int? = nil) -> [String] {
    var lines = summary
    for device in devices {
      lines.append("")
      if devices.count > 1 { lines.append("device program \(device.number)") }
      lines += device.lines(top: top)
    }
    if !hostSteps.isEmpty { lines.append("") }
    for step in hostSteps { lines += step.lines }
    return lines
  }

  private var summary: [String] {
    let outline = model.outline
    let latency = latency
    let totals = counters
    var lines = [
      "\(outline.name) for \(model.target.name): \(outline.precision), weights \(weights)",
      "cycles         \(cycles) (\(weights) weights), load \(loadCycles)",
      "latency        \(fixed(latency.microseconds, 2)) us: device \(fixed(latency.deviceMicroseconds, 2)), "
        + "launch \(fixed(latency.launchMicroseconds, 2)), link \(fixed(latency.linkMicroseconds, 2)), "
        + "host \(fixed(latency.hostMicroseconds, 2))",
    ]
    if let boundCycles, let binding {
      lines.append(
        "lower bound    \(boundCycles) cycles (\(binding))"
          + (overBound.map { ", \(fixed($0 * 100, 1)) % over" } ?? ""))
    } else {
      lines.append("lower bound    not in this file: compile the model again to have bounds")
    }
    if let layerBoundCycles { lines.append("layer bound    \(layerBoundCycles) cycles") }
    if let macs, let utilization {
      lines.append("macs           \(macs), utilization \(fixed(utilization * 100, 2)) %")
    }
    lines += [
      "sram peak      \(sramPeakBytes) of \(machine.sramBytesPerSlice) bytes a slice",
      "dram           \(totals.dramReadBytes) bytes read, \(totals.dramWriteBytes) written",
      "energy         \(fixed(energy.microjoules, 2)) uJ",
      "sha256         \(digest.hex)",
    ]
    if let wrong = devices.first(where: { !$0.isAsPredicted }) {
      lines.append(
        "schedule       device program \(wrong.number) is predicted \(machine.cycles(wrong.program.predictedRunTicks)) "
          + "cycles and takes \(wrong.cycles)")
    }
    return lines
  }
}

extension DeviceReport {
  fileprivate func lines(top: Int?) -> [String] {
    var lines: [String] = []
    if let layers {
      let terms = layers.terms.map { "\($0.name) \($0.cycles)" }.joined(separator: ", ")
      lines.append("bounds         \(terms)")
    }
    let busy = busyTicks.enumerated().map { index, ticks in
      let share = run.ticks > 0 ? Double(ticks) / Double(run.ticks) * 100 : 0
      return "\(Context(index: index).label) \(fixed(share, 1)) %"
    }
    lines.append("busy           \(busy.joined(separator: ", "))")
    let parts = limits.map { limit in
      "\(limit.name) \(fixed(Double(limit.ticks) / Double(max(run.ticks, 1)) * 100, 1)) %"
    }
    lines.append("limits         \(parts.joined(separator: ", "))")
    lines += memory
    lines.append("")
    let listed = kernels.prefix(top ?? kernels.count)
    let table = [Self.header] + listed.map(row)
    let widths = Self.header.indices.map { column in table.map { $0[column].count }.max() ?? 0 }
    for row in table {
      let cells = zip(row, widths).dropLast(3).map { cell, width in
        String(repeating: " ", count: width - cell.count) + cell
      }
      let words = zip(row, widths).suffix(3).map { cell, width in
        cell + String(repeating: " ", count: width - cell.count)
      }
      let line = (cells + words).joined(separator: "  ")
      lines.append(String(line.reversed().drop { $0 == " " }.reversed()))
    }
    if listed.count < kernels.count { lines.append("… and \(kernels.count - listed.count) kernels more") }
    if idleTicks > 0 { lines.append("\(fixed(machine.exactCycles(idleTicks), 0)) cycles nothing runs") }
    return lines
  }

  private static let header = [
    "cycles", "share", "main", "sub", "dma", "bound", "macs", "use", "dram bytes", "sram bytes", "uJ",
    "limit", "form", "operator",
  ]

  private func row(_ kernel: KernelCost) -> [String] {
    func cycles(_ ticks: Int64) -> String { fixed(machine.exactCycles(ticks), 0) }
    let totals = kernel.counters
    return [
      cycles(kernel.ticks),
      run.ticks > 0 ? fixed(Double(kernel.ticks) / Double(run.ticks) * 100, 1) + " %" : "-",
      cycles(kernel.mainTicks), cycles(kernel.subTicks), cycles(kernel.dmaTicks),
      kernel.boundCycles.map(String.init) ?? "-", kernel.macs.map(String.init) ?? "-",
      kernel.utilization(on: machine).map { fixed($0 * 100, 2) + " %" } ?? "-",
      "\(totals.dramReadBytes + totals.dramWriteBytes)", "\(totals.sramReadBytes + totals.sramWriteBytes)",
      fixed(kernel.energy(on: machine).microjoules, 3), kernel.limit, kernel.form, kernel.title,
    ]
  }

  private var memory: [String] {
    let resident = regions.filter(\.isResident).reduce(0) { $0 + $1.bytes.count }
    let ports = [("reads", program.inputs), ("writes", program.outputs)].flatMap { word, ports in
      ports.map { "\(word) '\($0.name)' at \($0.address)" }
    }
    return [
      "sram           \(sramPeakBytes) bytes a slice in \(regions.count) regions, \(resident) of them resident",
      "device dram    \(program.dramBytes) bytes, constants \(imageBytes); \(ports.joined(separator: ", "))",
    ]
  }
}

extension ProgramReport.HostStep {
  fileprivate var lines: [String] {
    ["\(kind.rawValue)\(kind == .host ? "      " : "") \(elements) elements, \(fixed(microseconds, 2)) us"]
      + nodes.map { "  \($0.op) '\($0.name)'\($0.reason.isEmpty ? "" : ": \($0.reason)")" }
  }
}
