import NPUISA
import NPUInterpreter

/// Divides a run's time among its instructions so that the shares add up to it: at every moment the first context
/// that runs has it, main before sub before the DMA engines, and nobody where all wait.
struct WallShares {
  /// By the index in the timeline, in ticks.
  private(set) var shares: [Int64]
  /// While nothing ran.
  private(set) var idle: Int64 = 0

  init(_ timing: ProgramTiming) {
    let timeline = timing.timeline
    shares = Array(repeating: 0, count: timeline.count)
    // Instructions of one context follow each other.
    var lists: [[Int]] = Array(repeating: [], count: timing.instructions.count)
    for (index, entry) in timeline.enumerated() where entry.endTick > entry.startTick {
      lists[entry.context].append(index)
    }
    var heads = [Int](repeating: 0, count: lists.count)
    var now: Int64 = 0
    while now < timing.ticks {
      var owner: Int?
      var next = timing.ticks
      for (context, list) in lists.enumerated() {
        while heads[context] < list.count, timeline[list[heads[context]]].endTick <= now {
          heads[context] += 1
        }
        guard heads[context] < list.count else { continue }
        let entry = timeline[list[heads[context]]]
        guard entry.startTick <= now else {
          next = min(next, entry.startTick)
          continue
        }
        next = min(next, entry.endTick)
        owner = owner ?? list[heads[context]]
      }
      if let owner { shares[owner] += next - now } else { idle += next - now }
      now = next
    }
  }
}
