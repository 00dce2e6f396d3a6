import Machine
import NPUISA
import Support

/// What an instruction occupies while it runs.
struct Activity {
  /// Units that one instruction at a time may hold.
  struct Units: OptionSet {
    let rawValue: UInt8
    static let second = Units(rawValue: 1)
    static let exchange = Units(rawValue: 2)
    static let vector = Units(rawValue: 4)
  }

  enum Work {
    /// Ends after so many ticks.
    case ticks(Int64)
    /// Ends when both sides have ended, the granules being served in turn with other engines'.
    case transfer(startup: Int64, sram: Int64, granules: [Granules])
  }

  /// `count` granules in a row that take `ticks` each.
  struct Granules {
    var count: Int
    var ticks: Int64
  }

  var work: Work
  /// When the client wants to be called again, in ticks after the start; nil for not at all.
  var readAfter: Int64?
}

/// Whom the simulation tells what happens, in the order in which it happens.
protocol SimulationClient {
  mutating func starts(_ context: Int, _ position: Int, at tick: Int64) throws(Diagnostic) -> Activity
  mutating func reads(_ context: Int, _ position: Int) throws(Diagnostic)
  mutating func completes(_ context: Int, _ position: Int, at tick: Int64) throws(Diagnostic)
}

/// The machine's time: contexts, waits, units and the DRAM server (Docs/npu-machine.md, section 5). It knows
/// nothing of closed forms and schedules.
struct EventSimulation {
  /// What decides when an instruction may start.
  struct Entry {
    var waits: [Wait]
    var units: Activity.Units
    var isBarrier: Bool
  }

  private struct Lane {
    var next = 0
    var completed: UInt32 = 0
    var barriersLeft = 0
    /// `.max` while it is idle or its granules are not all served.
    var end = Int64.max
    var isBusy = false
    var readAt = Int64.max
    var granules: [Activity.Granules] = []
    var granule = 0
    var granulesReadyAt = Int64.max
    var sramEnd: Int64 = 0
  }

  private let entries: [[Entry]]
  private var lanes: [Lane]
  private var taken: Activity.Units = []
  private var now: Int64 = 0
  private var lastServed = -1
  private var serving: Int?
  private var servedAt = Int64.max

  init(_ entries: [[Entry]]) {
    self.entries = entries
    lanes = entries.map { list in
      var lane = Lane()
      lane.barriersLeft = list.count(where: \.isBarrier)
      return lane
    }
  }

  /// - Returns: the tick of the last completion.
  /// - Throws: `neverReached` when nothing can start any more; what the client throws.
  mutating func run(_ client: inout some SimulationClient) throws(Diagnostic) -> Int64 {
    var last: Int64 = 0
    while true {
      finishServing()
      for index in lanes.indices where lanes[index].readAt <= now {
        lanes[index].readAt = .max
        try client.reads(index, lanes[index].next)
      }
      var hasStarted = true
      while hasStarted {
        for index in lanes.indices where lanes[index].end <= now {
          last = now
          try complete(index, &client)
        }
        hasStarted = try start(&client)
      }
      serve()
      let next = nextEvent()
      guard next < .max else { break }
      now = next
    }
    if let stuck = lanes.indices.first(where: { lanes[$0].next < entries[$0].count }) {
      throw Diagnostic(
        .neverReached, at: .instruction(lanes[stuck].next),
        "at tick \(now) nothing runs and \(Context(index: stuck)) waits at instruction \(lanes[stuck].next)")
    }
    return last
  }

  private func nextEvent() -> Int64 {
    var next = servedAt
    for lane in lanes {
      next = min(next, lane.end, lane.readAt)
      if lane.granulesReadyAt > now { next = min(next, lane.granulesReadyAt) }
    }
    return next
  }

  private mutating func complete(_ index: Int, _ client: inout some SimulationClient) throws(Diagnostic) {
    let position = lanes[index].next
    if lanes[index].readAt < .max {
      lanes[index].readAt = .max
      try client.reads(index, position)
    }
    try client.completes(index, position, at: now)
    taken.subtract(entries[index][position].units)
    if entries[index][position].isBarrier { lanes[index].barriersLeft -= 1 }
    lanes[index].end = .max
    lanes[index].isBusy = false
    lanes[index].next += 1
    lanes[index].completed += 1
  }

  /// One pass over the contexts in order. - Returns: whether anything started.
  private mutating func start(_ client: inout some SimulationClient) throws(Diagnostic) -> Bool {
    var hasStarted = false
    let barrierMeets = lanes.indices.allSatisfy { lanes[$0].barriersLeft == 0 || isAtBarrier($0) }
    for index in lanes.indices where isReady(index) {
      let entry = entries[index][lanes[index].next]
      if entry.isBarrier, !barrierMeets { continue }
      guard taken.isDisjoint(with: entry.units) else { continue }
      taken.formUnion(entry.units)
      lanes[index].isBusy = true
      hasStarted = true
      begin(index, try client.starts(index, lanes[index].next, at: now))
    }
    return hasStarted
  }

  private func isAtBarrier(_ index: Int) -> Bool {
    isReady(index) && entries[index][lanes[index].next].isBarrier
  }

  private func isReady(_ index: Int) -> Bool {
    let lane = lanes[index]
    guard !lane.isBusy, lane.next < entries[index].count else { return false }
    return entries[index][lane.next].waits.allSatisfy { lanes[Int($0.tag)].completed >= $0.count }
  }

  private mutating func begin(_ index: Int, _ activity: Activity) {
    lanes[index].readAt = activity.readAfter.map { now + $0 } ?? .max
    switch activity.work {
    case .ticks(let ticks): lanes[index].end = now + ticks
    case .transfer(let startup, let sram, let granules):
      lanes[index].sramEnd = now + startup + sram
      lanes[index].granules = granules.filter { $0.count > 0 }
      lanes[index].granule = 0
      if lanes[index].granules.isEmpty {
        lanes[index].end = lanes[index].sramEnd
      } else {
        lanes[index].granulesReadyAt = now + startup
      }
    }
  }
}

// The DRAM server.
extension EventSimulation {
  private func wantsService(_ index: Int) -> Bool { lanes[index].granulesReadyAt <= now }

  /// Takes up the next granule, or as many of one engine as pass before anything else can happen.
  private mutating func serve() {
    guard serving == nil else { return }
    let count = lanes.count
    var chosen: Int?
    var isAlone = true
    for step in 1...count {
      let index = (lastServed + step + count) % count
      guard wantsService(index) else { continue }
      if chosen == nil { chosen = index } else { isAlone = false }
    }
    guard let chosen else { return }
    serving = chosen
    lastServed = chosen
    var end = now
    let horizon = isAlone ? horizon(beside: chosen) : now + 1
    repeat {
      let group = lanes[chosen].granules[lanes[chosen].granule]
      let room = group.ticks == 0 ? group.count : Int((horizon - end - 1) / group.ticks) + 1
      let served = isAlone ? min(group.count, max(room, 1)) : 1
      end += Int64(served) * group.ticks
      if served == group.count {
        lanes[chosen].granule += 1
      } else {
        lanes[chosen].granules[lanes[chosen].granule].count -= served
      }
    } while isAlone && end < horizon && lanes[chosen].granule < lanes[chosen].granules.count
    servedAt = end
  }

  /// When something happens next that could bring another engine before the server.
  private func horizon(beside chosen: Int) -> Int64 {
    var horizon = Int64.max / 2
    for (index, lane) in lanes.enumerated() where index != chosen {
      horizon = min(horizon, lane.end)
      if lane.granulesReadyAt > now { horizon = min(horizon, lane.granulesReadyAt) }
    }
    return max(horizon, now + 1)
  }

  private mutating func finishServing() {
    guard let index = serving, servedAt <= now else { return }
    if lanes[index].granule == lanes[index].granules.count {
      lanes[index].granulesReadyAt = .max
      lanes[index].end = max(lanes[index].sramEnd, servedAt)
    }
    serving = nil
    servedAt = .max
  }
}
