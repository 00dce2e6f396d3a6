import NPUISA

/// Lists instructions in an order in which contexts wait less: whenever one is free it takes, of those that may begin first, the
/// one that most time hangs on.
package struct InstructionOrder {
  package struct Task {
    /// Ticks by context; nil where it cannot run.
    package var ticks: [Int?]
    /// What it needs of the units that main and sub share, by context.
    package var needs: [Units.Needs]
    /// Of a copy, which DRAM may serve later.
    package var time: DMATime?
    /// The tasks that end before it begins.
    package var predecessors: [Int]

    package init(ticks: [Int?], needs: [Units.Needs] = [], time: DMATime? = nil, after predecessors: [Int]) {
      self.ticks = ticks
      self.needs = needs
      self.time = time
      self.predecessors = predecessors
    }
  }

  /// Which of the tasks that may begin at about the same time comes first.
  package struct Urgency: Sendable {
    /// Ticks that one may begin later than another and still come before it.
    package var slack: Int
    /// Whether the first in the order given is the most urgent; else the one that most time hangs on.
    package var keepsOrder: Bool

    package init(slack: Int, keepsOrder: Bool) {
      self.slack = slack
      self.keepsOrder = keepsOrder
    }
  }

  package struct Place: Hashable {
    package var task: Int
    package var context: Int

    package init(task: Int, context: Int) {
      self.task = task
      self.context = context
    }
  }

  private let tasks: [Task]
  private var successors: [[Int]]
  /// Ticks from the start of a task to the end of the longest chain behind it.
  private var chains: [Int]

  /// - Parameter tasks: each behind its predecessors.
  package init(_ tasks: [Task]) {
    self.tasks = tasks
    successors = Array(repeating: [], count: tasks.count)
    chains = Array(repeating: 0, count: tasks.count)
    for (number, task) in tasks.enumerated() {
      for other in task.predecessors { successors[other].append(number) }
    }
    for number in tasks.indices.reversed() {
      let longest = successors[number].map { chains[$0] }.max() ?? 0
      chains[number] = (tasks[number].ticks.compactMap(\.self).max() ?? 0) + longest
    }
  }

  /// - Returns: all tasks, each behind its predecessors.
  package func places(_ urgency: Urgency) -> [Place] {
    var places: [Place] = []
    var open = tasks.map(\.predecessors.count)
    var ready = tasks.indices.filter { open[$0] == 0 }
    var clock = Clock(tasks)
    func isMoreUrgent(_ a: Int, _ b: Int) -> Bool {
      guard !urgency.keepsOrder, chains[a] != chains[b] else { return a < b }
      return chains[a] > chains[b]
    }
    while !ready.isEmpty {
      var best: (index: Int, context: Int, start: Int)?
      for context in 0..<clock.contexts {
        let able = ready.indices.filter { tasks[ready[$0]].ticks[context] != nil }
        let starts = able.map { clock.start(ready[$0], tasks[ready[$0]], context) }
        guard let first = starts.min(), first < best?.start ?? .max else { continue }
        var chosen: (index: Int, context: Int, start: Int)?
        for (index, start) in zip(able, starts) where start <= first + urgency.slack {
          if let other = chosen, !isMoreUrgent(ready[index], ready[other.index]) { continue }
          chosen = (index, context, start)
        }
        best = chosen
      }
      guard let best else { break }
      let number = ready.remove(at: best.index)
      clock.run(tasks[number], from: best.start, on: best.context, before: successors[number])
      places.append(Place(task: number, context: best.context))
      for successor in successors[number] {
        open[successor] -= 1
        if open[successor] == 0 { ready.append(successor) }
      }
    }
    return places
  }
}

/// When contexts, units and DRAM are free, about: DRAM serves one copy after another.
private struct Clock {
  let contexts: Int
  private var earliest: [Int]
  private var free: [Int]
  private var units = [(end: Int, context: Int)](repeating: (0, 0), count: 3)
  private var dram = 0

  init(_ tasks: [InstructionOrder.Task]) {
    contexts = tasks.first?.ticks.count ?? 0
    earliest = Array(repeating: 0, count: tasks.count)
    free = Array(repeating: 0, count: contexts)
  }

  func start(_ number: Int, _ task: InstructionOrder.Task, _ context: Int) -> Int {
    var start = max(free[context], earliest[number])
    guard context < task.needs.count else { return start }
    for (isNeeded, unit) in zip(task.needs[context].all, units) where isNeeded && unit.context != context {
      start = max(start, unit.end)
    }
    return start
  }

  mutating func run(
    _ task: InstructionOrder.Task, from start: Int, on context: Int, before successors: [Int]
  ) {
    var end = start + (task.ticks[context] ?? 0)
    if let time = task.time, time.granules > 0 {
      let begin = start + time.startupTicks
      dram = max(dram, begin) + time.dramTicks
      end = max(dram, begin + time.sramTicks)
    }
    free[context] = end
    if context < task.needs.count {
      for (unit, isNeeded) in task.needs[context].all.enumerated() where isNeeded {
        units[unit] = (end, context)
      }
    }
    for successor in successors { earliest[successor] = max(earliest[successor], end) }
  }
}
