import KernelIR
import Support

/// Orders of kernels beside that of the graph: what waits for a copy may come later, and others run meanwhile.
struct KernelOrder {
  /// What a kernel takes, and the kernels whose results it reads.
  struct Task {
    /// Ticks of copies that it waits for, and that it runs.
    var copies: Int
    var main: Int
    var reads: [Int]
  }

  private let tasks: [Task]
  private let readers: [[Int]]

  /// - Parameter tasks: each reads earlier ones.
  init(_ tasks: [Task]) {
    self.tasks = tasks
    var readers = [[Int]](repeating: [], count: tasks.count)
    for (number, task) in tasks.enumerated() { for read in task.reads { readers[read].append(number) } }
    self.readers = readers
  }

  /// How far a kernel is moved at most at a time, and how often all are tried.
  private static let reach = 32
  private static let rounds = 8

  /// The order in which the tasks stand, with single ones moved as long as that ends earlier; nil where none does.
  func improved() -> [Int]? {
    var order = Array(tasks.indices)
    var least = end(order)
    let given = least
    for _ in 0..<Self.rounds {
      let before = least
      for task in tasks.indices {
        guard let position = order.firstIndex(of: task) else { continue }
        var best: [Int]?
        for target in targets(position, in: order) where target != position {
          var trial = order
          trial.remove(at: position)
          trial.insert(task, at: target)
          let end = end(trial)
          if end < least { (best, least) = (trial, end) }
        }
        if let best { order = best }
      }
      guard least < before else { break }
    }
    return least < given ? order : nil
  }

  /// Positions to which the kernel at one may move: behind all that it reads, before all that read it.
  private func targets(_ position: Int, in order: [Int]) -> ClosedRange<Int> {
    let task = order[position]
    var (first, last) = (position, position)
    while first > 0, position - first < Self.reach, !tasks[task].reads.contains(order[first - 1]) {
      first -= 1
    }
    while last < order.count - 1, last - position < Self.reach, !readers[task].contains(order[last + 1]) {
      last += 1
    }
    return first...last
  }

  /// When the last is done: copies follow each other, and so does the work.
  private func end(_ order: [Int]) -> Int {
    var ends = [Int](repeating: 0, count: tasks.count)
    var (engine, main) = (0, 0)
    for number in order {
      let task = tasks[number]
      var time = task.reads.reduce(0) { max($0, ends[$1]) }
      if task.copies > 0 {
        time = max(time, engine) + task.copies
        engine = time
      }
      if task.main > 0 {
        time = max(time, main) + task.main
        main = time
      }
      ends[number] = time
    }
    return max(engine, main)
  }
}

extension ProgramCompiler {
  /// Of a search: the numbers of the nodes in an order in which copies hold up less; nil where the graph's will do.
  func betterOrder() -> [Int]? {
    guard works.contains(where: { $0.copies > 0 }) else { return nil }
    var makers = SideTable<BufferID, Int?>(default: nil)
    var tasks: [KernelOrder.Task] = []
    for ((number, id), work) in zip(graph.nodes.ids.enumerated(), works) {
      let node = graph.nodes[id]
      let reads = Set(node.operands.compactMap { makers[$0] }).sorted()
      tasks.append(KernelOrder.Task(copies: work.copies, main: work.main, reads: reads))
      makers[node.result] = number
    }
    return KernelOrder(tasks).improved()
  }
}
