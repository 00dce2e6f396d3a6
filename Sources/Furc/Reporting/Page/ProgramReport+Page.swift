import Machine
import NPUISA
import NPUInterpreter
import Support

extension ProgramReport {
  /// One page that needs no other file and no network.
  public var page: String { page(bars: PageData.limit) }

  /// - Parameter bars: the most that a timeline may have.
  package func page(bars limit: Int) -> String {
    let data = PageData(self, limit: limit)
    // Nothing in a name may end the element.
    let json = data.json.text.split(separator: "<", omittingEmptySubsequences: false)
      .joined(separator: "\\u003c")
    let name = escaped(model.outline.name)
    return """
      <!doctype html>
      <html lang="en">
      <head>
      <meta charset="utf-8">
      <meta name="viewport" content="width=device-width, initial-scale=1">
      <link rel="icon" href="data:,">
      <title>\(name) on \(escaped(model.target.name)) · furc report</title>
      <style>
      \(PageStyle.text)
      </style>
      </head>
      <body>
      <main>
      \(head)
      \(cards)
      \(latencySection)
      <div class="pair">
      \(bounds)
      \(occupation)
      </div>
      \(timeline(isMerged: data.isMerged))
      \(kernelTable)
      \(hostSection)
      \(memorySection)
      \(machineSection)
      <footer>Times are the machine's own, found from the program alone; they depend on no data.
      Written by furc \(escaped(furcVersion)).</footer>
      </main>
      \(devices.isEmpty ? "" : Self.script(json))
      </body>
      </html>

      """
  }

  private static func script(_ data: String) -> String {
    """
    <div id="tip" role="status" hidden></div>
    <script type="application/json" id="data">\(data)</script>
    <script>
    \(PageScript.text)
    </script>
    """
  }

  private var head: String {
    """
    <header>
    <h1>\(escaped(model.outline.name))</h1>
    <span>\(escaped(model.outline.precision)) on <b>\(escaped(model.target.name))</b>, weights \
    <b id="weights">\(weights)</b></span>
    <span class="hash" title="SHA-256 of the file">\(digest.hex)</span>
    </header>
    """
  }

  private var cards: String {
    let totals = counters
    let latency = latency
    let megahertz = Double(machine.clockHz) / 1e6
    var cards = [
      Self.card(
        "Cycles", "<span id=\"cycles\">\(figure(Int(cycles)))</span>",
        "\(fixed(latency.deviceMicroseconds, 2)) µs at \(grouped(fixed(megahertz, 0))) MHz, "
          + "\(weights) weights"),
      Self.card(
        "Latency", "\(figure(latency.microseconds, 2)) <small>µs</small>",
        "with launch, link and host"),
    ]
    if let boundCycles, let binding {
      cards.append(
        Self.card(
          "Lower bound", "<span id=\"bound\">\(figure(boundCycles))</span>",
          "\(escaped(binding)) binds"
            + (overBound.map { ", the program is \(grouped(fixed($0 * 100, 1))) % over" } ?? "")))
    }
    if let macs, let utilization {
      cards.append(
        Self.card(
          "Multiplier use", "\(figure(utilization * 100, 2)) <small>%</small>", "\(grouped("\(macs)")) MACs"))
    }
    cards += [
      Self.card(
        "Energy", "\(figure(energy.microjoules, 2)) <small>µJ</small>",
        "\(fixed(energy.milliwatts(cycles: Int(cycles), on: machine) / 1000, 2)) W on average"),
      Self.card(
        "SRAM peak", bytesFigure(sramPeakBytes), "of \(grouped("\(machine.sramBytesPerSlice)")) a slice"),
      Self.card(
        "DRAM traffic", bytesFigure(totals.dramReadBytes + totals.dramWriteBytes),
        "\(grouped("\(totals.dramReadBytes)")) read, \(grouped("\(totals.dramWriteBytes)")) written"),
    ]
    if loadCycles > 0 {
      cards.append(Self.card("Load, once", figure(Int(loadCycles)), "cycles to place the weights"))
    }
    return "<dl class=\"cards\">\n\(cards.joined(separator: "\n"))\n</dl>"
  }

  private static func card(_ name: String, _ value: String, _ note: String) -> String {
    "<div class=\"card\"><dt>\(name)</dt><dd>\(value)</dd><p>\(note)</p></div>"
  }

  /// What no program can undercut, term by term; of several device programs one after the other.
  private var bounds: String {
    var text =
      "<section>\n<h2>Bounds <small>cycles that no program for this graph can undercut</small></h2>\n"
    if model.layers == nil {
      return text + "<p>The file does not hold them: it was written by an older furc.</p>\n</section>"
    }
    for device in devices {
      guard let layers = device.layers else { continue }
      text += programHead(device)
      let all = layers.terms + [ProgramLayers.Term(name: "layers", cycles: layers.layerCycles)]
      let most = Double(max(all.map(\.cycles).max() ?? 1, 1))
      text += "<div class=\"bars\">\n"
      for term in all {
        let isBinding = term == layers.binding && term.cycles > 0
        text += Self.bar(
          escaped(term.name), Double(term.cycles) / most, figure(term.cycles), isBinding: isBinding,
          Self.meaning[term.name] ?? "")
      }
      text += "</div>\n"
      defer { text += "</div>\n" }
      if let binding = layers.binding, binding.cycles > 0 {
        let times = Double(device.cycles) / Double(binding.cycles)
        text +=
          "<p class=\"hint\">The program takes \(grouped("\(device.cycles)")) cycles, \(fixed(times, 2)) times the "
          + "binding term, <b>\(escaped(binding.name))</b>: \(Self.meaning[binding.name] ?? "").</p>\n"
      }
    }
    return text + "</section>"
  }

  private static let meaning = [
    "mac": "all products at full rate",
    "serial": "the issues of a chain of contractions and all products, one contraction at a time",
    "dram": "inputs, outputs and streamed weights through DRAM",
    "port": "operands and results through the SRAM ports",
    "vector": "results through the vector engines",
    "chain": "one issue and one cycle for each kernel of the longest chain",
    "layers":
      "issue and the larger of products and ports along the longest chain, as long as nothing is fused",
  ]

  private static func bar(
    _ name: String, _ share: Double, _ value: String, isBinding: Bool = false, _ title: String = ""
  ) -> String {
    """
    <span\(isBinding ? " class=\"binding\"" : "") title="\(escaped(title))">\(name)</span>\
    <span class="track"><i style="width:\(fixed(min(share, 1) * 100, 2))%"></i></span>\
    <span class="value">\(value)</span>

    """
  }

  private var latencySection: String {
    let latency = latency
    let all = max(latency.microseconds, 1e-12)
    let parts = [
      ("device", latency.deviceMicroseconds, "\(grouped("\(latency.cycles)")) cycles"),
      ("launch", latency.launchMicroseconds, "\(latency.launches) × \(machine.launchNanoseconds) ns"),
      ("link", latency.linkMicroseconds, "\(grouped("\(latency.linkBytes)")) bytes"),
      ("host", latency.hostMicroseconds, "\(grouped("\(latency.hostElements)")) elements"),
    ]
    let bars = parts.enumerated().map { index, part in
      "<i class=\"part\(index)\" style=\"width:\(fixed(part.1 / all * 100, 2))%\" title=\"\(part.0)\"></i>"
    }
    let legend = parts.enumerated().map { index, part in
      "<span><i class=\"part\(index)\"></i>\(part.0) \(figure(part.1, 2)) µs <span class=\"soft\">\(part.2)</span></span>"
    }
    return """
      <section>
      <h2>Latency <small>\(fixed(latency.microseconds, 2)) µs from call to return</small></h2>
      <div class="parts">\(bars.joined())</div>
      <div class="legend">
      \(legend.joined(separator: "\n"))
      </div>
      </section>
      """
  }

  /// How long the engines work, and what limits them when.
  private var occupation: String {
    var text = "<section>\n<h2>Engines <small>how long each works, and what sets the pace when</small></h2>\n"
    for device in devices {
      let busy = device.busyTicks.enumerated().map { (name: Context(index: $0).label, ticks: $1) }
      text += programHead(device)
      text += "<div class=\"bars\">\n\(bars(busy, of: device))</div>\n<h3>What limits</h3>\n"
      text += "<div class=\"bars\">\n\(bars(device.limits, of: device))</div>\n</div>\n"
    }
    return text + "</section>"
  }

  /// Opens what belongs to one device program; the script shows that of the chosen one.
  private func programHead(_ device: DeviceReport) -> String {
    let name = "<p class=\"soft\">Device program \(device.number) of \(devices.count)</p>\n"
    return "<div data-program=\"\(device.number)\">\n" + (devices.count > 1 ? name : "")
  }

  private func bars(_ parts: [(name: String, ticks: Int64)], of device: DeviceReport) -> String {
    let all = Double(max(device.run.ticks, 1))
    let bars = parts.map { part in
      let share = Double(part.ticks) / all
      let cycles = grouped(fixed(machine.exactCycles(part.ticks), 0))
      return Self.bar(
        escaped(part.name), share, "\(fixed(share * 100, 1)) % <span class=\"soft\">\(cycles) cycles</span>")
    }
    return bars.joined()
  }
}
