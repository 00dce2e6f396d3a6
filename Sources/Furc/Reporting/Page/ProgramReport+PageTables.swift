import Machine
import NPUISA
import NPUInterpreter
import Support
import Tensors

extension ProgramReport {
  func timeline(isMerged: Bool) -> String {
    var options: [String] = []
    for device in devices {
      for phase in device.phases.reversed() {
        let name = devices.count > 1 ? "device program \(device.number), \(phase.name)" : phase.name
        options.append("<option value=\"\(options.count)\">\(name)</option>")
      }
    }
    let instructions = devices.reduce(0) { $0 + $1.run.timeline.count }
    let merged = isMerged ? " Neighbouring instructions of a kernel are drawn as one." : ""
    guard !devices.isEmpty else {
      return "<section><h2>Timeline</h2><p>Nothing runs on the device.</p></section>"
    }
    return """
      <section>
      <h2>Timeline <small>\(grouped("\(instructions)")) instructions, and below what lies in each slice's SRAM</small></h2>
      <div class="tools">
      <select id="phase" aria-label="Program">\(options.joined())</select>
      <select id="coloring" aria-label="Colors">\
      <option value="kernel">colors by kernel</option><option value="work">colors by kind of work</option></select>
      <span class="grow"></span>
      <span class="soft" id="shown"></span>
      <button id="out" title="Zoom out">−</button><button id="in" title="Zoom in">+</button>\
      <button id="fit">Whole run</button>
      </div>
      <canvas id="timeline" tabindex="0" aria-label="Timeline by engine"></canvas>
      <canvas id="memory" tabindex="0" aria-label="SRAM over time"></canvas>
      <p class="hint">Drag to move, Ctrl and wheel or + and − to zoom, double click for one instruction, click to \
      keep a kernel lit. Pale blocks of memory are resident weights.\(merged)</p>
      </section>
      """
  }

  var kernelTable: String {
    let heads: [(String, String, Bool)] = [
      ("operator", "What the model calls it", true), ("form", "The form of the kernel", true),
      ("cycles", "Its part of the run: main before sub before DMA at every moment", false),
      ("main", "Cycles that it holds main", false), ("sub", "Cycles that it holds sub", false),
      ("dma", "Cycles that it holds DMA engines", false),
      ("bound", "Cycles that no schedule of this kernel undercuts", false),
      ("× bound", "Cycles over the bound", false), ("MACs", "Multiply-adds of the model", false),
      ("use", "Of the multipliers, in its part of the run", false), ("DRAM", "Bytes read and written", false),
      ("SRAM", "Bytes read and written", false), ("µJ", "Energy", false),
      ("slices", "The most that one instruction of it uses", false),
      ("limit", "What limits it for the longest time", true),
    ]
    let head = heads.map { name, title, isWord in
      let sort = name == "cycles" ? " aria-sort=\"descending\"" : ""
      return "<th\(isWord ? " class=\"word\"" : "")\(sort) title=\"\(title)\"><button>\(name)</button></th>"
    }
    let all = devices.flatMap { device in device.kernels.map { (kernel: $0, device: device) } }
      .sorted { left, right in
        (left.kernel.ticks, right.device.number, right.kernel.index)
          > (right.kernel.ticks, left.device.number, left.kernel.index)
      }
    let ticks = devices.reduce(0) { $0 + $1.run.ticks }
    let rows = all.map { row($0.kernel, $0.device, of: ticks) }
    guard !rows.isEmpty else { return "" }
    return """
      <section>
      <div class="tools"><h2>Kernels <small>the costliest first; a click shows one in the timeline</small></h2>
      <span class="grow"></span><input id="search" type="search" placeholder="Find" aria-label="Find a kernel"></div>
      <div class="scroll"><table class="kernels sortable">
      <thead><tr>\(head.joined())</tr></thead>
      <tbody>
      \(rows.joined(separator: "\n"))
      </tbody></table></div>
      </section>
      """
  }

  private func row(_ kernel: KernelCost, _ device: DeviceReport, of ticks: Int64) -> String {
    func cell(_ value: Double?, _ decimals: Int, _ unit: String = "") -> String {
      guard let value else { return "<td data-v=\"-1\">–</td>" }
      let text = fixed(value, decimals)
      return "<td data-v=\"\(text)\">\(grouped(text))\(unit)</td>"
    }
    let cycles = machine.exactCycles(kernel.ticks)
    let share = ticks > 0 ? Double(kernel.ticks) / Double(ticks) : 0
    let totals = kernel.counters
    let traffic = [
      totals.dramReadBytes + totals.dramWriteBytes, totals.sramReadBytes + totals.sramWriteBytes,
    ]
    let limits = kernel.limits.map { "\($0.name) \(fixed(machine.exactCycles($0.ticks), 0))" }
    let start = kernel.instructions > 0 ? kernel.startTick : 0
    let title = "\(escaped(kernel.label)) <span class=\"soft\">\(escaped(kernel.operators))</span>"
    let program = devices.count > 1 ? "in device program \(device.number): " : ""
    let names = program + kernel.nodes.map { "\($0.op) '\($0.name)'" }.joined(separator: ", ")
    return """
      <tr data-device="\(device.number)" data-kernel="\(kernel.index)" data-start="\(start)" \
      data-end="\(kernel.endTick)"><td class="word name" title="\(escaped(names))">\(title)</td>\
      <td class="word">\(escaped(kernel.form))</td>\
      <td data-v="\(fixed(cycles, 2))"><span class="share"><i style="width:\(fixed(share * 100, 1))%"></i></span>\
      <span>\(grouped(fixed(cycles, 0)))</span></td>\
      \(cell(machine.exactCycles(kernel.mainTicks), 0))\(cell(machine.exactCycles(kernel.subTicks), 0))\
      \(cell(machine.exactCycles(kernel.dmaTicks), 0))\(cell(kernel.boundCycles.map(Double.init), 0))\
      \(cell(kernel.boundCycles.map { cycles / Double($0) }, 1))\(cell(kernel.macs.map(Double.init), 0))\
      \(cell(kernel.utilization(on: machine).map { $0 * 100 }, 2, " %"))\
      \(traffic.map { "<td data-v=\"\($0)\">\(grouped("\($0)"))</td>" }.joined())\
      \(cell(kernel.energy(on: machine).microjoules, 3))\(cell(Double(kernel.slices), 0))\
      <td class="word" title="\(escaped(limits.joined(separator: ", "))) cycles">\(kernel.limit)</td></tr>
      """
  }

  /// What runs on the host, and why.
  var hostSection: String {
    guard !hostSteps.isEmpty else { return "" }
    let rows = hostSteps.flatMap { step in
      step.nodes.enumerated().map { index, node in
        let cost =
          index == 0
          ? "<td>\(figure(step.elements))</td><td>\(figure(step.microseconds, 3))</td>" : "<td></td><td></td>"
        return "<tr><td class=\"word\">\(step.kind.rawValue)</td><td class=\"word name\">\(escaped(node.op)) "
          + "'\(escaped(node.name))'</td>\(cost)<td class=\"word wide\">\(escaped(node.reason))</td></tr>"
      }
    }
    return """
      <section id="host">
      <h2>On the host <small>conversions and segments, by the target's rates</small></h2>
      <div class="scroll"><table>
      <thead><tr><th class="word">step</th><th class="word">node</th><th>elements</th><th>µs</th>\
      <th class="word">reason</th></tr></thead>
      <tbody>
      \(rows.joined(separator: "\n"))
      </tbody></table></div>
      </section>
      """
  }

  var memorySection: String {
    var rows: [String] = []
    for device in devices {
      let prefix = devices.count > 1 ? "device program \(device.number): " : ""
      func row(_ name: String, _ place: String, _ bytes: Int) {
        rows.append(
          "<tr><td class=\"word\">\(prefix)\(name)</td><td class=\"word\">\(place)</td><td>\(figure(bytes))</td></tr>"
        )
      }
      let resident = device.regions.filter(\.isResident).reduce(0) { $0 + $1.bytes.count }
      row("largest use of a slice's SRAM", "SRAM", device.sramPeakBytes)
      row("resident weights a slice", "SRAM", resident)
      for (word, ports) in [("input", device.program.inputs), ("output", device.program.outputs)] {
        for port in ports {
          row(
            "\(word) '\(escaped(port.name))', \(escaped("\(port.type)"))", "DRAM at \(port.address)",
            (try? port.type.byteCount().bytes) ?? 0)
        }
      }
      row("constants, in \(device.program.images.count) images", "DRAM", device.imageBytes)
      row("all that is addressed", "DRAM", Int(device.program.dramBytes))
    }
    guard !rows.isEmpty else { return "" }
    return """
      <section>
      <h2>Memory</h2>
      <div class="scroll"><table>
      <thead><tr><th class="word">what</th><th class="word">where</th><th>bytes</th></tr></thead>
      <tbody>
      \(rows.joined(separator: "\n"))
      </tbody></table></div>
      </section>
      """
  }

  var machineSection: String {
    let rows = model.target.numbers.map { number in
      "<tr><td class=\"word\">\(escaped(number.key))</td><td>\(escaped(number.value))</td>"
        + "<td class=\"word\">\(number.source.rawValue)</td><td class=\"word wide\">\(escaped(number.reason))</td></tr>"
    }
    return """
      <section>
      <details><summary>The machine: \(escaped(model.target.summary))</summary>
      <div class="scroll"><table>
      <thead><tr><th class="word">number</th><th>value</th><th class="word">source</th><th class="word">why</th></tr></thead>
      <tbody>
      \(rows.joined(separator: "\n"))
      </tbody></table></div>
      </details>
      </section>
      """
  }
}
