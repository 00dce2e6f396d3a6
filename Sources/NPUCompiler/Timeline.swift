import KernelIR
import Machine
import NPUISA

/// Predicts when every instruction starts and ends, by the rules of Docs/npu-machine.md, section 5.
struct Timeline {
  /// Ticks of the last completion.
  private(set) var end = 0

  init(_ code: Code, programs: [Program], on machine: SliceMachine) {
    let lists = code.contexts
    let durations = lists.enumerated().map { index, list in
      list.map { $0.duration(on: machine, context: Context(index: index), programs: programs) }
    }
    var position = [Int](repeating: 0, count: lists.count)
    var completed = [UInt32](repeating: 0, count: lists.count)
    /// The end of what each context runs; nil while idle, or while DRAM has not served it yet.
    var endOf = [Int?](repeating: nil, count: lists.count)
    var isRunning = [Bool](repeating: false, count: lists.count)
    var units = Units()
    var server = DRAMServer(machine)
    var now = 0
    while true {
      // Completions of this moment, then starts, until nothing changes.
      var changed = true
      while changed {
        changed = false
        for index in lists.indices where isRunning[index] && endOf[index] == now {
          units.free(by: index)
          isRunning[index] = false
          endOf[index] = nil
          completed[index] += 1
          position[index] += 1
          changed = true
        }
        for index in lists.indices where !isRunning[index] && position[index] < lists[index].count {
          let instruction = lists[index][position[index]]
          guard instruction.waits.allSatisfy({ completed[Int($0.tag)] >= $0.count }) else { continue }
          let needed = Units.Needs(instruction, isMain: index == 0)
          guard units.take(needed, by: index) else { continue }
          isRunning[index] = true
          changed = true
          switch durations[index][position[index]] {
          case .tensor(_, let ticks), .control(let ticks): endOf[index] = now + ticks
          case .dma(let time):
            let ready = now + time.startupTicks
            if time.granules == 0 {
              endOf[index] = ready + time.sramTicks
            } else if case .dma(let descriptor) = instruction.body {
              server.add(Transfer(index, ready, time, descriptor, machine))
            }
          }
        }
      }
      // The next moment: the earliest end, or the next service of DRAM.
      let next = endOf.compactMap(\.self).min()
      if let served = server.advance(until: next) {
        endOf[served.engine] = served.end
        continue
      }
      guard let next else { break }
      now = next
      end = max(end, now)
    }
  }
}

/// What a descriptor asks of DRAM.
private struct Transfer {
  let context: Int
  /// When its first granule may be served, and before which it does not end.
  let ready: Int
  let floor: Int
  /// Granules of the index list. Then runs of `perRun`, source before destination, the last of each partial or not.
  let plain: Int
  let perRun: Int
  let isPartial: Bool
  let count: Int
  var next = 0

  init(_ context: Int, _ ready: Int, _ time: DMATime, _ descriptor: DMAInstruction, _ machine: SliceMachine) {
    self.context = context
    self.ready = ready
    floor = ready + time.sramTicks
    count = time.granules
    isPartial = time.partialWrites > 0
    let granule = machine.dramGranuleBytes
    let sides = [descriptor.source, descriptor.destination].count { $0.memory == .dram }
    perRun = sides * ((Int(descriptor.runBytes) + granule - 1) / granule)
    plain = count - descriptor.runs * perRun
  }

  func ticks(_ machine: SliceMachine) -> Int {
    let endsRun = isPartial && next >= plain && (next - plain) % perRun == perRun - 1
    return machine.dramGranuleTicks + (endsRun ? machine.dramPartialWriteTicks : 0)
  }
}

/// One granule at a time, round robin over contexts.
private struct DRAMServer {
  private let machine: SliceMachine
  private var transfers: [Transfer] = []
  private var free = 0
  private var last = 0

  init(_ machine: SliceMachine) { self.machine = machine }

  mutating func add(_ transfer: Transfer) { transfers.append(transfer) }

  /// Serves granules that begin before `limit` until a transfer is through.
  mutating func advance(until limit: Int?) -> (engine: Int, end: Int)? {
    while let earliest = transfers.map(\.ready).min() {
      let start = max(free, earliest)
      if let limit, start >= limit { return nil }
      // Contexts after the one served last come first.
      let eligible = transfers.indices.filter { transfers[$0].ready <= start }
      guard
        let index = eligible.min(by: {
          let (a, b) = (transfers[$0].context, transfers[$1].context)
          return (a <= last ? 1 : 0, a) < (b <= last ? 1 : 0, b)
        })
      else { return nil }
      free = start + transfers[index].ticks(machine)
      last = transfers[index].context
      transfers[index].next += 1
      guard transfers[index].next == transfers[index].count else { continue }
      let done = transfers.remove(at: index)
      return (done.context, max(done.floor, free))
    }
    return nil
  }
}

/// The units that contexts share.
package struct Units {
  package struct Needs {
    var second = false
    var exchange = false
    var vector = false

    /// In the order in which `take` looks for them.
    var all: [Bool] { [second, exchange, vector] }

    package init(_ instruction: Instruction, isMain: Bool) {
      guard case .tensor(let tensor) = instruction.body else { return }
      second =
        !isMain || tensor.accumulate.start == .load
        || tensor.vector.operands.contains { if case .second = $0.source { true } else { false } }
      exchange = tensor.exchange.kind != .forward
      let isReduction = tensor.accumulate.kind != .none && tensor.accumulate.kind != .contract
      vector = tensor.vector.program != nil || isReduction
    }
  }

  private var owners: [Int?] = [nil, nil, nil]

  mutating func take(_ needs: Needs, by context: Int) -> Bool {
    let wanted = needs.all
    guard zip(wanted, owners).allSatisfy({ !$0.0 || $0.1 == nil }) else { return false }
    for index in owners.indices where wanted[index] { owners[index] = context }
    return true
  }

  mutating func free(by context: Int) {
    for index in owners.indices where owners[index] == context { owners[index] = nil }
  }
}
