import Machine
import Support

extension PlacementReport {
  /// The report for people. - Parameter nodes: numbers of the model's nodes to tell of; nil tells of all.
  public func lines(of nodes: Set<Int>? = nil) -> [String] {
    let chosen = nodes.map { items(of: $0) } ?? items
    let lines = chosen.map(\.line)
    guard nodes == nil else { return lines }
    func count(_ isWanted: (Place) -> Bool) -> Int { items.count { isWanted($0.place) } }
    let onDevice = count { if case .device = $0 { true } else { false } }
    let outline = compilation.compiled.outline
    return [
      "\(outline.name) for \(compilation.compiled.target.name): "
        + "\(counted(onDevice, "node", "nodes")) on the device in "
        + "\(counted(latency.launches, "program", "programs")), \(count { $0 == .host }) on the host, "
        + "\(counted(count { $0 == .conversion }, "conversion", "conversions")), "
        + "\(count { $0 == .folded }) folded",
      "latency \(fixed(latency.microseconds, 2)) us: device \(fixed(latency.deviceMicroseconds, 2)), "
        + "launch \(fixed(latency.launchMicroseconds, 2)), "
        + "link \(fixed(latency.linkMicroseconds, 2)) for \(latency.linkBytes) bytes, "
        + "host \(fixed(latency.hostMicroseconds, 2)) for \(latency.hostElements) elements",
    ] + lines
  }

  /// The same as one object.
  public func json(of nodes: Set<Int>? = nil) -> JSON {
    let chosen = nodes.map { items(of: $0) } ?? items
    return .object([
      .init("model", .string(compilation.compiled.outline.name)),
      .init("target", .string(compilation.compiled.target.name)),
      .init("nodes", .array(chosen.map(\.json))), .init("latency", latency.json),
    ])
  }
}

extension PlacementReport.Place {
  fileprivate var word: String {
    switch self {
    case .device: "device"
    case .host: "host"
    case .conversion: "conversion"
    case .folded: "folded"
    }
  }

  fileprivate var program: Int? {
    guard case .device(let number) = self else { return nil }
    return number
  }
}

extension PlacementReport.Item {
  fileprivate var line: String {
    let head = (place.word + (place.program.map { " \($0)" } ?? ""))
    let padding = String(repeating: " ", count: max(0, 10 - head.count))
    var line = "\(head)\(padding)  \(op) '\(name)': \(reason)"
    if !kernels.isEmpty {
      let told = kernels.map { "\($0.form) '\($0.name)' in \(fixed($0.cycles, 0)) cycles" }
      line += ": \(told.joined(separator: ", "))"
    }
    if let price {
      line +=
        "; price \(fixed(price.microseconds, 3)) us: \(price.elements) elements on the host "
        + "\(fixed(price.hostMicroseconds, 3)) us, \(price.bytes) bytes over the link "
        + "\(fixed(price.linkMicroseconds, 3)) us"
      if price.launches > 0 {
        line +=
          ", \(counted(price.launches, "launch", "launches")) more \(fixed(price.launchMicroseconds, 3)) us"
      }
    }
    let others = nodes.filter { $0.name != name }.map { "\($0.op) '\($0.name)'" }
    if !others.isEmpty, place != .conversion { line += "; it stands for \(others.joined(separator: ", "))" }
    return line
  }

  fileprivate var json: JSON {
    let sources = nodes.map { node in
      JSON.object([
        .init("index", .integer(node.index)), .init("op", .string(node.op)),
        .init("name", .string(node.name)),
      ])
    }
    let computed = kernels.map { kernel in
      JSON.object([
        .init("kernel", .integer(kernel.index)), .init("name", .string(kernel.name)),
        .init("form", .string(kernel.form)), .init("cycles", .number(kernel.cycles, decimals: 2)),
      ])
    }
    let cost = price.map { price in
      JSON.object([
        .init("us", .number(price.microseconds, decimals: 6)), .init("elements", .integer(price.elements)),
        .init("host_us", .number(price.hostMicroseconds, decimals: 6)), .init("bytes", .integer(price.bytes)),
        .init("link_us", .number(price.linkMicroseconds, decimals: 6)),
        .init("launches", .integer(price.launches)),
        .init("launch_us", .number(price.launchMicroseconds, decimals: 6)),
      ])
    }
    return .object([
      .init("node", .string(name)), .init("op", .string(op)), .init("stands_for", .array(sources)),
      .init("place", .string(place.word)), .init("device", .optional(place.program)),
      .init("reason", .string(reason)), .init("kernels", .array(computed)), .init("price", cost ?? .null),
    ])
  }
}

private func counted(_ count: Int, _ one: String, _ many: String) -> String {
  "\(count) \(count == 1 ? one : many)"
}
