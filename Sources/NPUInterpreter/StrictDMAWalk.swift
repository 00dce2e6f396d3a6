import Machine
import NPUISA
import Support

/// One descriptor, run by run, counted on the way.
struct StrictDMAWalk {
  let plan: DMAPlan
  let strict: StrictMachine
  let who: Issuer
  /// Cycles of the SRAM side.
  var sramCycles = 0
  /// What DRAM serves, in order.
  var granules: [Activity.Granules] = []
  var counters = RunCounters()
  private var bytes: [UInt8] = []
  private var destinations: [Int64] = []

  init(_ plan: DMAPlan, _ strict: StrictMachine, _ who: Issuer) {
    self.plan = plan
    self.strict = strict
    self.who = who
  }

  private var machine: SliceMachine { strict.machine }

  mutating func run() throws(Diagnostic) {
    var rows: [Int] = []
    if let index = plan.body.index {
      let count = 4 * (plan.sizes.first ?? 1)
      _ = try strict.state.address(index.list.memory, index.list.base, count)
      observe(index.list.memory, index.list.base, count)
      access(index.list.memory, count, isWrite: false)
      rows = try plan.rows(strict.state)
    }
    bytes.reserveCapacity(plan.runs * plan.runBytes)
    var places: [(Int64, Int64)] = []
    try plan.forEachRun(rows) { (source, destination) throws(Diagnostic) in
      places.append((source, destination))
    }
    for (source, destination) in places {
      let memory = try strict.state.address(plan.body.source.memory, source, plan.runBytes)
      _ = try strict.state.address(plan.body.destination.memory, destination, plan.runBytes)
      observe(plan.body.source.memory, source, plan.runBytes)
      access(plan.body.source.memory, plan.runBytes, isWrite: false)
      access(plan.body.destination.memory, plan.runBytes, isWrite: true)
      bytes.append(contentsOf: UnsafeRawBufferPointer(start: memory, count: plan.runBytes))
      destinations.append(destination)
    }
  }

  private func split(_ memory: DMAInstruction.Memory, _ address: Int64) -> (
    MemoryName, slice: Int, entry: Int
  ) {
    guard memory == .sram else { return (.dram, 0, Int(address)) }
    let window = Int64(machine.sramWindowBytes)
    return (.sram, Int(address / window), Int(address % window))
  }

  private func observe(_ memory: DMAInstruction.Memory, _ address: Int64, _ count: Int) {
    let place = split(memory, address)
    strict.read(place.0, place.slice, place.entry, count, who)
  }

  /// Counts one run on one side.
  private mutating func access(_ memory: DMAInstruction.Memory, _ count: Int, isWrite: Bool) {
    var left = count
    switch memory {
    case .sram:
      var cycles = 0
      while left > 0 {
        left -= max(machine.dmaBytesPerCycle, 1)
        cycles += 1
      }
      sramCycles += max(cycles, machine.dmaRunCycles)
      if isWrite { counters.sramWriteBytes += count } else { counters.sramReadBytes += count }
    case .dram:
      let ticks = Int64(machine.dramGranuleTicks)
      while left > 0 {
        let isPartial = isWrite && left <= machine.dramGranuleBytes && count % machine.dramGranuleBytes != 0
        add(ticks + (isPartial ? Int64(machine.dramPartialWriteTicks) : 0))
        left -= max(machine.dramGranuleBytes, 1)
      }
      if isWrite { counters.dramWriteBytes += count } else { counters.dramReadBytes += count }
    }
  }

  private mutating func add(_ ticks: Int64) {
    if let last = granules.indices.last, granules[last].ticks == ticks {
      granules[last].count += 1
    } else {
      granules.append(Activity.Granules(count: 1, ticks: ticks))
    }
  }

  func beginWrites() {
    for address in destinations {
      let place = split(plan.body.destination.memory, address)
      strict.begin(place.0, place.slice, place.entry, plan.runBytes, who)
    }
  }

  func land() throws(Diagnostic) {
    for (run, address) in destinations.enumerated() {
      let place = split(plan.body.destination.memory, address)
      strict.end(place.0, place.slice, place.entry, plan.runBytes, who)
      let memory = try strict.state.address(plan.body.destination.memory, address, plan.runBytes)
      bytes.withUnsafeBytes { source in
        guard let base = source.baseAddress else { return }
        memory.copyMemory(from: base + run * plan.runBytes, byteCount: plan.runBytes)
      }
    }
    strict.endReads(who)
  }
}
