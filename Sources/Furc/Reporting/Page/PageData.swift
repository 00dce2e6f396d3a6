import Machine
import NPUISA
import NPUInterpreter

/// What the script of a page draws, as JSON: lists of numbers wherever there are many.
struct PageData {
  /// More bars than this make a page slow; neighbours of one kernel then become one bar.
  static let limit = 40_000

  private(set) var json = JSON.null
  /// Phases whose bars stand for several instructions each.
  private(set) var isMerged = false
  private var works = Names()
  private var names = Names()

  init(_ report: ProgramReport, limit: Int) {
    let machine = report.machine
    _ = names.number("")
    var phases: [JSON] = []
    for device in report.devices {
      // The run first: it is what a reader wants to see.
      for phase in device.phases.reversed() { phases.append(json(phase, device, limit)) }
    }
    let devices = report.devices.map { device in
      JSON.object([.init("kernels", .array(Self.kernels(device)))])
    }
    json = .object([
      .init("ticks_per_cycle", .integer(machine.ticksPerCycle)), .init("clock_hz", .integer(machine.clockHz)),
      .init("sram_bytes", .integer(machine.sramBytesPerSlice)), .init("phases", .array(phases)),
      .init("devices", .array(devices)), .init("works", .array(works.all.map(JSON.string))),
      .init("names", .array(names.all.map(JSON.string))),
    ])
  }

  /// By the program's kernel table; null for kernels without instructions.
  private static func kernels(_ device: DeviceReport) -> [JSON] {
    var items = [JSON](repeating: .null, count: max(device.program.kernels.count, 1))
    for kernel in device.kernels {
      items[kernel.index] = .object([
        .init("label", .string(kernel.label)), .init("title", .string(kernel.title)),
      ])
    }
    return items
  }

  private mutating func json(
    _ phase: DeviceReport.Phase, _ device: DeviceReport, _ limit: Int
  ) -> JSON {
    let timing = phase.timing
    var lists: [[Bar]] = Array(repeating: [], count: timing.instructions.count)
    for entry in timing.timeline where entry.endTick > entry.startTick {
      let instruction = timing.instruction(entry)
      lists[entry.context].append(
        Bar(
          start: entry.startTick, end: entry.endTick, kernel: Int(instruction.kernel),
          work: works.number(instruction.work)))
    }
    var gap: Int64 = 1
    while lists.reduce(0, { $0 + $1.count }) > max(limit, lists.count) {
      isMerged = true
      lists = lists.map { Self.merged($0, gap: gap) }
      gap = min(4 * gap, 1 << 60)
    }
    let lanes = lists.enumerated().map { index, bars in
      JSON.object([
        .init("label", .string(Context(index: index).label)), .init("events", .array(Self.numbers(bars))),
      ])
    }
    let regions = phase.isLoad ? [] : device.regions
    return .object([
      .init("device", .integer(device.number)), .init("load", .bool(phase.isLoad)),
      .init("ticks", .integer(Int(max(timing.ticks, 1)))), .init("lanes", .array(lanes)),
      .init("regions", .array(regions.map { json($0) })),
    ])
  }

  private mutating func json(_ region: MemoryRegion) -> JSON {
    .array(
      [
        region.kernel, names.number(region.name), Int(region.bytes.lowerBound), region.bytes.count,
        Int(region.startTick), Int(region.endTick), region.isResident ? 1 : 0,
        region.isCopied ? 1 : 0,
      ].map(JSON.integer))
  }
}

extension PageData {
  private struct Bar {
    var start: Int64
    var end: Int64
    var kernel: Int
    var work: Int
  }

  /// Bars of one kernel and kind of work that are no more than `gap` ticks apart become one; with large gaps the
  /// kind no longer counts.
  private static func merged(_ bars: [Bar], gap: Int64) -> [Bar] {
    var merged: [Bar] = []
    for bar in bars {
      // Whatever the program, there is an end to it.
      if let last = merged.last, bar.start - last.end <= gap, last.work == bar.work || gap > 1024,
        last.kernel == bar.kernel || gap > 1 << 30
      {
        merged[merged.count - 1].end = bar.end
      } else {
        merged.append(bar)
      }
    }
    return merged
  }

  /// Four numbers a bar, starts as differences.
  private static func numbers(_ bars: [Bar]) -> [JSON] {
    var last: Int64 = 0
    return bars.flatMap { bar in
      defer { last = bar.start }
      return [Int(bar.start - last), Int(bar.end - bar.start), bar.kernel, bar.work].map(JSON.integer)
    }
  }

  /// Texts by number, each once.
  private struct Names {
    private(set) var all: [String] = []
    private var numbers: [String: Int] = [:]

    mutating func number(_ name: String) -> Int {
      if let number = numbers[name] { return number }
      numbers[name] = all.count
      all.append(name)
      return all.count - 1
    }
  }
}
