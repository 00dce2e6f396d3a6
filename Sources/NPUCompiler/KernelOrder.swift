import KernelIR
import Machine
import NPUISA
import Support

/// Orders of kernels beside that of the graph: what waits for a copy may come later, and others run meanwhile.
package struct KernelOrder {
  /// What a kernel takes, in ticks, and the kernels whose results it reads.
  package struct Task {
    /// Of the engines, that it waits for.
    package var before: [Int]
    package var main = 0
    /// Of the engines, that bring its result to DRAM.
    package var after: [Int]
    /// Whether those that read it read it there.
    package var isReadAfter = true
    package var reads: [Int]

    package init(engines: Int, reads: [Int]) {
      before = Array(repeating: 0, count: engines)
      after = before
      self.reads = reads
    }
  }

  private let tasks: [Task]
  private let given: [Int]
  private let readers: [[Int]]

  /// - Parameter given: the numbers of the tasks, each behind those that it reads.
  package init(_ tasks: [Task], in given: [Int]) {
    self.tasks = tasks
    self.given = given
    var readers = [[Int]](repeating: [], count: tasks.count)
    for (number, task) in tasks.enumerated() { for read in task.reads { readers[read].append(number) } }
    self.readers = readers
  }

  /// How often all are tried, and steps of the model at most each time.
  private static let rounds = 8
  private static let mostSteps = 20_000_000

  /// How far a kernel is moved at most at a time.
  private var reach: Int { max(2, min(32, Self.mostSteps / (2 * tasks.count * tasks.count))) }

  /// The order given, with single tasks moved as long as that ends earlier; nil where none does.
  package func improved() -> [Int]? {
    guard tasks.contains(where: { ($0.before + $0.after).contains { $0 > 0 } }) else { return nil }
    var order = given
    var least = end(order)
    let reach = reach
    for _ in 0..<Self.rounds {
      let before = least
      for task in tasks.indices {
        guard let position = order.firstIndex(of: task) else { continue }
        var best: [Int]?
        for target in targets(position, in: order, reach) where target != position {
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
    return order == given ? nil : order
  }

  /// Positions to which the kernel at one may move: behind all that it reads, before all that read it.
  private func targets(_ position: Int, in order: [Int], _ reach: Int) -> ClosedRange<Int> {
    let task = order[position]
    var (first, last) = (position, position)
    while first > 0, position - first < reach, !tasks[task].reads.contains(order[first - 1]) {
      first -= 1
    }
    while last < order.count - 1, last - position < reach, !readers[task].contains(order[last + 1]) {
      last += 1
    }
    return first...last
  }

  /// When the last is done: every engine does one copy after another, and so does the work.
  private func end(_ order: [Int]) -> Int {
    var ends = [Int](repeating: 0, count: tasks.count)
    var engines = [Int](repeating: 0, count: tasks.first?.before.count ?? 0)
    var main = 0
    func copy(_ copies: [Int], from time: Int) -> Int {
      var end = time
      for engine in copies.indices where copies[engine] > 0 {
        engines[engine] = max(engines[engine], time) + copies[engine]
        end = max(end, engines[engine])
      }
      return end
    }
    for number in order {
      let task = tasks[number]
      var time = copy(task.before, from: task.reads.reduce(0) { max($0, ends[$1]) })
      if task.main > 0 {
        time = max(time, main) + task.main
        main = time
      }
      let end = copy(task.after, from: time)
      ends[number] = task.isReadAfter ? end : time
    }
    return max(engines.max() ?? 0, main)
  }
}

extension ProgramCompiler {
  /// Of a search, its program with kernels in other orders, so that copies hold up less, and with moves on
  /// sub, as long as that is faster.
  /// - Parameter placed: the program in the graph's order.
  func reordered(
    _ placed: ProgramCompiler, residentBytes: Int, _ options: NPUCompiler.Options
  ) -> (placed: ProgramCompiler, program: NPUProgram) {
    let first = reordered(placed, usesEither: false, residentBytes, options)
    guard let other = try? emitted(residentBytes: residentBytes, usesEither: true, options),
      other.residentDemand <= residentBytes
    else { return first }
    let second = reordered(other, usesEither: true, residentBytes, options)
    return second.program.predictedRunTicks < first.program.predictedRunTicks ? second : first
  }

  private func reordered(
    _ placed: ProgramCompiler, usesEither: Bool, _ residentBytes: Int, _ options: NPUCompiler.Options
  ) -> (placed: ProgramCompiler, program: NPUProgram) {
    var best = (placed: placed, program: placed.program())
    var order = Array(choices.indices)
    for _ in 0..<3 {
      guard let next = best.placed.betterOrder(than: order, usesEither: usesEither),
        let trial = try? emitted(
          residentBytes: residentBytes, order: next, usesEither: usesEither, options),
        trial.residentDemand <= residentBytes, !trial.neededMoreRoom
      else { break }
      let faster = trial.program()
      guard faster.predictedRunTicks < best.program.predictedRunTicks else { break }
      (best, order) = ((trial, faster), next)
    }
    return best
  }

  /// Of a program that was emitted for the graph: the numbers of the nodes in an order in which copies hold up less; nil where
  /// the one it has will do.
  /// - Parameter usesEither: whether moves count as work of sub, which is one engine more.
  private func betterOrder(than order: [Int], usesEither: Bool) -> [Int]? {
    var tasks: [KernelOrder.Task] = []
    var makers = SideTable<BufferID, Int?>(default: nil)
    for (number, id) in graph.nodes.ids.enumerated() {
      let node = graph.nodes[id]
      let reads = Set(node.operands.compactMap { makers[$0] }).sorted()
      tasks.append(KernelOrder.Task(engines: machine.dmaEngines + (usesEither ? 1 : 0), reads: reads))
      // An output that is not read again leaves at once; another may stay where its readers have it.
      tasks[number].isReadAfter = !graph.outputs.contains(node.result)
      makers[node.result] = number
    }
    for (index, list) in run.code.contexts.enumerated() {
      let context = Context(index: index)
      for instruction in list {
        let number = Int(instruction.kernel)
        let ticks = instruction.duration(on: machine, context: context, programs: run.programs).ticks
        switch (context, instruction.body) {
        case (.main, .tensor(let body)), (.sub, .tensor(let body)):
          if usesEither, body.isMove {
            tasks[number].before[machine.dmaEngines] += ticks
          } else if context == .main {
            tasks[number].main += ticks
          }
        case (.main, _): tasks[number].main += ticks
        case (.dma(let engine), .dma(let descriptor)):
          let leaves = descriptor.source.memory == .sram && descriptor.destination.memory == .dram
          if leaves { tasks[number].after[engine] += ticks } else { tasks[number].before[engine] += ticks }
        default: break
        }
      }
    }
    return KernelOrder(tasks, in: order).improved()
  }
}
