import Machine
import NPUISA

/// How slices that need the same units of a constant have them.
enum Standing {
  /// Each holds a part, which the switch brings to all on loading.
  case dealt
  /// Each holds all.
  case own
  /// Each holds a part, and engines bring it to all before they load: what the switch takes long for where such slices lie far
  /// apart, and what there is no room for all the time.
  case staged
}

extension Work {
  /// When the engines have time to bring constants together: in order, and during the two kernels before.
  struct Staging {
    /// Ticks of the work: when the engines are free, and when the two kernels before began.
    private var free = 0
    private var begins = (before: 0, beforeThat: 0)

    /// How long the kernel that begins at `now` waits for what is staged.
    func wait(_ spent: Work, at now: Int) -> Int {
      spent.staged > 0 ? max(max(free, begins.beforeThat) + spent.staged - now, 0) : 0
    }

    /// The kernel that began at `now` is placed.
    mutating func add(_ spent: Work, at now: Int) {
      if spent.staged > 0 { free = max(free, begins.beforeThat) + spent.staged }
      // Copies of values are in the same queues.
      if spent.copies > 0 { free = max(free, now) + spent.copies }
      begins = (now, begins.before)
    }
  }
}

extension ProgramCompiler {
  /// Brings the parts of a ring together in every slice of it, in room that the kernel has for a while.
  /// - Parameters:
  ///   - range: of each part.
  ///   - parts: slices of a ring, and how far they are apart.
  ///   - apart: digits that tell rings apart.
  mutating func stage(
    _ range: Range<Int>, parts: (count: Int, distance: Int), apart: [(count: Int, distance: Int)],
    _ what: String
  ) throws(Failure) -> Range<Int> {
    let target = try allocateSRAM(parts.count * range.count, isEarly: true, for: what)
    temporaries.append(target)
    let distance = Int64(parts.distance * window)
    let rings = apart.filter { $0.count > 1 }.map {
      let distance = Int64($0.distance * window)
      return DMAInstruction.Loop(UInt32($0.count), source: distance, destination: distance)
    }
    let sources = DMAInstruction.Loop(
      UInt32(parts.count), source: distance, destination: Int64(range.count))
    // Both engines, half of the slices each.
    var start = 0
    while start < range.count {
      let run = min(4096, range.count - start)
      let halves = [0, parts.count / 2].map { first in
        DMAInstruction(
          from: .init(.sram, Int64(range.lowerBound + start)),
          to: .init(.sram, Int64(target + start) + Int64(first) * distance), run: UInt32(run),
          rings + [.init(UInt32(parts.count / 2), source: 0, destination: distance)].filter { $0.size > 1 }
            + [sources])
      }
      copyAside(halves)
      start += run
    }
    return target..<(target + parts.count * range.count)
  }

  /// Emits two descriptors beside the work, each on an engine of its own if there are two.
  private mutating func copyAside(_ halves: [DMAInstruction]) {
    guard !isDry else {
      let ticks = halves.map { $0.time(on: machine).ticks }
      stagingTicks += machine.dmaEngines > 1 ? ticks.max() ?? 0 : ticks.reduce(0, +)
      return
    }
    for (number, half) in halves.enumerated() {
      run.append(.dma(half), .dma(min(number, machine.dmaEngines - 1)), half.accesses(window: window))
    }
  }
}
