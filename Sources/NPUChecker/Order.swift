import NPUISA
import Support

/// Which instructions of a program precede which under every timing: a vector clock per instruction, found by
/// running lists, waits and barriers without time.
struct Order: Sendable {
  /// An instruction of the expanded lists.
  struct Event: Hashable, Sendable {
    let context: Int
    /// From 0.
    let position: Int
  }

  /// In an order that respects all of the program's.
  let sequence: [Event]
  /// Rule C3.
  let findings: [Finding]
  /// By context and position: how many instructions of every context have completed when it starts, at least.
  private let clocks: [[[UInt32]]]

  /// A finding at an instruction.
  struct Finding: Sendable {
    let event: Event
    let diagnostic: Diagnostic
  }

  /// Whether `left` has completed when `right` starts.
  func precedes(_ left: Event, _ right: Event) -> Bool {
    clocks[right.context][right.position][left.context] > left.position
  }

  init(_ code: Code) {
    let lists = code.contexts
    var sequence: [Event] = []
    var findings: [Finding] = []
    var clocks: [[[UInt32]]] = lists.map { list in
      var clocks: [[UInt32]] = []
      clocks.reserveCapacity(list.count)
      return clocks
    }
    let barriers = lists.map { list in list.reduce(0) { $0 + ($1.body == .control(.barrier) ? 1 : 0) } }
    let counts = lists.indices.filter { !lists[$0].isEmpty }.map { barriers[$0] }
    if let first = counts.first, let other = counts.first(where: { $0 != first }) {
      let diagnostic = Diagnostic(
        .neverReached, "contexts with code have different numbers of barriers: \(first) and \(other)")
      findings.append(Finding(event: Event(context: 0, position: 0), diagnostic: diagnostic))
    }
    for (context, list) in lists.enumerated() {
      for (position, instruction) in list.enumerated() {
        for wait in instruction.waits where Int(wait.count) > lists[Int(wait.tag)].count {
          let name = Context(index: Int(wait.tag)).name
          let diagnostic = Diagnostic(
            .neverReached,
            "waits for \(wait.count) instructions of \(name), which has \(lists[Int(wait.tag)].count)")
          findings.append(Finding(event: Event(context: context, position: position), diagnostic: diagnostic))
        }
      }
    }
    var done = [Int](repeating: 0, count: lists.count)
    var remaining = barriers
    func clock(_ event: Event) -> [UInt32] {
      var clock =
        event.position > 0
        ? clocks[event.context][event.position - 1] : [UInt32](repeating: 0, count: lists.count)
      clock[event.context] = UInt32(event.position)
      for wait in lists[event.context][event.position].waits {
        let tag = Int(wait.tag)
        let known = clocks[tag][Int(wait.count) - 1]
        for index in clock.indices { clock[index] = max(clock[index], known[index]) }
        clock[tag] = max(clock[tag], wait.count)
      }
      return clock
    }
    func isReady(_ context: Int) -> Bool {
      lists[context][done[context]].waits.allSatisfy { done[Int($0.tag)] >= Int($0.count) }
    }
    func complete(_ context: Int, _ clock: [UInt32]) {
      clocks[context].append(clock)
      sequence.append(Event(context: context, position: done[context]))
      done[context] += 1
    }
    var moves = true
    while moves {
      moves = false
      for context in lists.indices {
        while done[context] < lists[context].count, isReady(context),
          lists[context][done[context]].body != .control(.barrier)
        {
          complete(context, clock(Event(context: context, position: done[context])))
          moves = true
        }
      }
      guard !moves else { continue }
      // All that have a barrier left must be at one, with its waits met.
      let due = lists.indices.filter { remaining[$0] > 0 }
      let arrived = due.allSatisfy {
        done[$0] < lists[$0].count && lists[$0][done[$0]].body == .control(.barrier) && isReady($0)
      }
      guard !due.isEmpty, arrived else { break }
      var joined = [UInt32](repeating: 0, count: lists.count)
      for context in due {
        let own = clock(Event(context: context, position: done[context]))
        for index in joined.indices { joined[index] = max(joined[index], own[index]) }
      }
      for context in due {
        complete(context, joined)
        remaining[context] -= 1
      }
      moves = true
    }
    if findings.isEmpty {
      for (context, list) in lists.enumerated() where done[context] < list.count {
        let missing = list[done[context]].waits.first { done[Int($0.tag)] < Int($0.count) }
        let what =
          missing.map {
            "waits for \($0.count) instructions of \(Context(index: Int($0.tag)).name), which stops after \(done[Int($0.tag)])"
          } ?? "waits at a barrier that the others do not reach"
        findings.append(
          Finding(
            event: Event(context: context, position: done[context]),
            diagnostic: Diagnostic(.neverReached, "never starts: it \(what)")))
      }
    }
    self.sequence = sequence
    self.findings = findings
    self.clocks = clocks
  }
}
