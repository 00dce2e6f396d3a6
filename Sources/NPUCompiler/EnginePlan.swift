import Machine
import NPUISA

/// How the descriptors of one copy share two engines: each whole on one of them, or in halves that run side by side. A half
/// has half the runs, but starts like a whole.
package struct EnginePlan {
  package struct Item {
    package let descriptor: DMAInstruction
    let time: DMATime
    let accesses: [Access]

    init(_ descriptor: DMAInstruction, _ machine: SliceMachine) {
      self.descriptor = descriptor
      time = descriptor.time(on: machine)
      accesses = descriptor.accesses(window: machine.sramWindowBytes)
    }
  }

  /// In the order in which they are dealt out, each to the engine where it may start first.
  package private(set) var items: [Item]
  /// What the copy takes if both engines are free.
  package private(set) var ticks: Int

  /// - Parameter descriptors: none reads or writes what another writes.
  package init(_ descriptors: [DMAInstruction], _ machine: SliceMachine) {
    let whole = Self.longestFirst(descriptors.map { Item($0, machine) })
    items = whole
    ticks = Self.makespan(whole, machine)
    // The longest in halves, then the two longest, and so on.
    var halves: [Item] = []
    for (number, item) in whole.enumerated().prefix(8) {
      guard let cut = item.halves(machine) else { break }
      halves += cut
      let trial = Self.longestFirst(halves + whole[(number + 1)...])
      let ticks = Self.makespan(trial, machine)
      if ticks < self.ticks { (items, self.ticks) = (trial, ticks) }
    }
  }

  private static func longestFirst(_ items: [Item]) -> [Item] {
    items.enumerated().sorted {
      ($1.element.time.ticks, $0.offset) < ($0.element.time.ticks, $1.offset)
    }.map(\.element)
  }

  /// Boxes that overlap keep their order; DRAM serves both engines in turn.
  private static func makespan(_ items: [Item], _ machine: SliceMachine) -> Int {
    var free = [0, 0]
    var dram = 0
    var done: [(item: Item, end: Int)] = []
    for item in items {
      let ready = done.reduce(0) { item.conflicts(with: $1.item) ? max($0, $1.end) : $0 }
      let engine = max(free[1], ready) < max(free[0], ready) ? 1 : 0
      free[engine] = max(free[engine], ready) + item.time.ticks
      done.append((item, free[engine]))
      dram += item.time.dramTicks
    }
    let startup = machine.dmaStartupCycles * machine.ticksPerCycle
    return items.isEmpty ? 0 : max(free[0], free[1], startup + dram)
  }
}

extension EnginePlan.Item {
  fileprivate func conflicts(with other: Self) -> Bool {
    accesses.contains { mine in
      other.accesses.contains { ($0.writes || mine.writes) && mine.overlaps($0) }
    }
  }

  /// The iterations of a loop in two halves whose destinations do not overlap, of the longest loop that can be cut so; nil where
  /// that is not worth it.
  fileprivate func halves(_ machine: SliceMachine) -> [Self]? {
    guard descriptor.index == nil, descriptor.runs > 7 else { return nil }
    let loops = descriptor.loops
    let order = loops.indices.sorted { (loops[$1].size, $0) < (loops[$0].size, $1) }
    for loop in order where loops[loop].size > 1 {
      var (first, second) = (descriptor, descriptor)
      let half = loops[loop].size / 2
      first.loops[loop].size = half
      second.loops[loop].size -= half
      second.source.base += Int64(half) * loops[loop].sourceStride
      second.destination.base += Int64(half) * loops[loop].destinationStride
      let halves = [Self(first, machine), Self(second, machine)]
      if !halves[0].conflicts(with: halves[1]) { return halves }
    }
    return nil
  }
}

extension DMAInstruction {
  /// The boxes that it reads and writes.
  func accesses(window: Int) -> [Access] {
    func box(ofSource: Bool) -> Access {
      if let box = windows(ofSource: ofSource, window: window) {
        return Access(memory: .sram, slices: box.slices, range: box.bytes, writes: !ofSource)
      }
      let base = Int(ofSource ? source.base : destination.base)
      var (low, high) = (base, base + Int(runBytes))
      for loop in loops {
        let reach = (Int(loop.size) - 1) * Int(ofSource ? loop.sourceStride : loop.destinationStride)
        low += min(reach, 0)
        high += max(reach, 0)
      }
      return Access(memory: .dram, slices: 0..<1, range: low..<high, writes: !ofSource)
    }
    return [box(ofSource: true), box(ofSource: false)]
  }
}
