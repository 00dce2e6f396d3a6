import KernelIR
import Machine
import NPUISA

extension ProgramCompiler {
  /// The program with its instructions in another order where that is faster.
  func scheduled(_ program: NPUProgram) -> NPUProgram {
    guard run.steps.count <= Self.mostSteps else { return program }
    let ends = residences.map { residence in
      run.number(Wait(tag: residence.from.tag, count: residence.from.count + 1))
    }
    var best = program
    var tried: Set<[InstructionOrder.Place]> = []
    let orders = [false, true].map { movesAnywhere in
      InstructionOrder(run.tasks(movesAnywhere: movesAnywhere, ends: Set(ends)))
    }
    let ways = urgencies.flatMap { urgency in orders.map { (order: $0, urgency: urgency) } }
    for way in ways.prefix(Self.mostSteps / max(run.steps.count, 1)) {
      let places = way.order.places(way.urgency)
      guard places.count == run.steps.count, tried.insert(places).inserted else { continue }
      var next = self
      let completions: [Wait]
      (next.run, completions) = run.reordered(places)
      for (index, number) in ends.enumerated() {
        let end = completions[number]
        next.residences[index].from = Wait(tag: end.tag, count: end.count - 1)
      }
      let trial = next.program()
      if trial.predictedRunTicks < best.predictedRunTicks { best = trial }
    }
    return best
  }

  /// Of all orders that are tried.
  private static let mostSteps = 1 << 15

  private var urgencies: [InstructionOrder.Urgency] {
    [true, false].flatMap { keepsOrder in
      [0, machine.issueMainCycles * machine.ticksPerCycle].map { .init(slack: $0, keepsOrder: keepsOrder) }
    }
  }
}

extension Emitter {
  /// - Parameters:
  ///   - movesAnywhere: whether main and sub may change what both can do.
  ///   - ends: steps whose completion tells that all of their kernel is done.
  fileprivate func tasks(movesAnywhere: Bool, ends: Set<Int>) -> [InstructionOrder.Task] {
    var history = StepHistory()
    /// The steps of a kernel so far, and the last of them by context.
    var kernels: [UInt32: (all: [Int], last: [Int?])] = [:]
    return steps.enumerated().map { number, step in
      let own = Int(step.place.tag)
      var ticks = [Int?](repeating: nil, count: code.contexts.count)
      var needs: [Units.Needs] = []
      var time: DMATime?
      var earlier: Set<Int> = []
      var contexts = [own]
      switch step.body {
      case .instruction(let body, let accesses):
        if step.mayMove { contexts = Array(2..<ticks.count) }
        if movesAnywhere, case .tensor(let tensor) = body, tensor.isMove { contexts = [0, 1] }
        let instruction = Instruction(body)
        for context in contexts {
          let duration = instruction.duration(
            on: machine, context: Context(index: context), programs: programs)
          ticks[context] = duration.ticks
          if case .dma(let found) = duration { time = found }
        }
        needs = [true, false].map { Units.Needs(instruction, isMain: $0) }
        history.add(number, instruction, accesses) { earlier.insert($0) }
      case .hold(let until):
        ticks[own] = 0
        earlier.insert(self.number(until))
      }
      var kernel = kernels[step.kernel] ?? ([], Array(repeating: nil, count: ticks.count))
      if !step.mayMove {
        if let last = kernel.last[own] { earlier.insert(last) }
        kernel.last[own] = number
      }
      if ends.contains(number), contexts.count > 1 { earlier.formUnion(kernel.all) }
      kernel.all.append(number)
      kernels[step.kernel] = kernel
      return InstructionOrder.Task(ticks: ticks, needs: needs, time: time, after: earlier.sorted())
    }
  }
}

/// What steps touched, as far as others have to come behind them.
private struct StepHistory {
  private var entries = [[(access: Access, step: Int)]](repeating: [], count: Access.Memory.allCases.count)
  /// The last step that left sums in the accumulators or took them from there, and those since that use them otherwise.
  private var kept: Int?
  private var others: [Int] = []

  /// - Parameter found: is told of steps that this one comes behind.
  mutating func add(
    _ step: Int, _ instruction: Instruction, _ accesses: [Access], _ found: (Int) -> Void
  ) {
    for access in accesses {
      for entry in entries[access.memory.rawValue]
      where (entry.access.writes || access.writes) && entry.access.overlaps(access) {
        found(entry.step)
      }
    }
    for access in accesses {
      if access.writes {
        entries[access.memory.rawValue].removeAll { $0.step != step && access.contains($0.access) }
      }
      entries[access.memory.rawValue].append((access, step))
    }
    guard case .tensor(let body) = instruction.body, body.accumulate.kind != .none else { return }
    if let kept { found(kept) }
    if body.accumulate.start == .keep || body.accumulate.finish == .keep {
      others.forEach(found)
      (kept, others) = (step, [])
    } else {
      others.append(step)
    }
  }
}
