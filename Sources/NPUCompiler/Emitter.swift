import KernelIR
import Machine
import NPUISA

/// What an instruction touches, as a box: bytes (words, units, slots) of a memory in a range of slices.
struct Access {
  enum Memory: Int, CaseIterable {
    case dram
    case sram
    case registerFile
    case vectorRegisters
    case tables
  }

  var memory: Memory
  var slices: Range<Int>
  var range: Range<Int>
  var writes: Bool

  func overlaps(_ other: Access) -> Bool {
    memory == other.memory && slices.overlaps(other.slices) && range.overlaps(other.range)
  }

  func contains(_ other: Access) -> Bool {
    memory == other.memory && range.contains(other.range) && slices.contains(other.slices)
  }

  static func read(_ memory: Memory, _ range: Range<Int>, slices: Range<Int> = 0..<1) -> Access {
    Access(memory: memory, slices: slices, range: range, writes: false)
  }

  static func write(_ memory: Memory, _ range: Range<Int>, slices: Range<Int> = 0..<1) -> Access {
    Access(memory: memory, slices: slices, range: range, writes: true)
  }
}

/// Takes instructions in an order in which they would be right one after another, and finds the waits that
/// keep them right when the contexts run concurrently.
struct Emitter {
  private(set) var code: Code
  private(set) var programs: [Program] = []
  var kernel: UInt32 = 0
  /// The completion of the instruction appended last.
  private(set) var last: Wait?

  let machine: SliceMachine
  private let isDry: Bool
  /// Of a dry run only.
  private(set) var work = Work()
  private var programIndex: [Program: UInt16] = [:]
  private var history: [[Entry]] = Array(repeating: [], count: Access.Memory.allCases.count)
  /// known[c][d]: how many instructions of context d have completed whenever the next one of c starts.
  private var known: [[UInt32]]

  /// Whether sub does what main could do.
  var usesEither = false
  private var pending: [(body: TensorInstruction, accesses: [Access])] = []
  /// What was appended, in order, and the numbers by context and position.
  private(set) var steps: [Step] = []
  private var numbers: [[Int]]

  /// An instruction as it was appended.
  struct Step {
    enum Body {
      case instruction(Instruction.Body, [Access])
      /// Nothing but the wait for a completion.
      case hold(until: Wait)
    }

    var body: Body
    var kernel: UInt32
    var place: Wait
    /// Whether any engine may do it.
    var mayMove: Bool
  }
  /// Where those of a kernel went: all to one context, so that the last is the last to complete.
  private var placedKernel: UInt32?
  private var place = Context.main

  private struct Entry {
    var access: Access
    var context: Int
    /// The count of the context's tag when the instruction has completed.
    var completion: UInt32
    /// When that is, about.
    var end: Int
  }

  /// When contexts are done with what was appended, about: as if units and DRAM were free.
  private var ends: [Int]

  /// - Parameter isDry: whether instructions are only timed.
  init(_ machine: SliceMachine, isDry: Bool = false) {
    self.machine = machine
    self.isDry = isDry
    code = Code(engines: machine.dmaEngines)
    let contexts = 2 + machine.dmaEngines
    known = Array(repeating: Array(repeating: 0, count: contexts), count: contexts)
    ends = Array(repeating: 0, count: contexts)
    numbers = Array(repeating: [], count: contexts)
  }

  /// The number of a program in the pool.
  mutating func pool(_ program: Program) -> UInt16 {
    if let index = programIndex[program] { return index }
    let index = UInt16(programs.count)
    programs.append(program)
    programIndex[program] = index
    return index
  }

  /// - Parameter mayMove: whether any engine may do it, and in another order.
  /// - Returns: the wait that holds until the instruction has completed.
  @discardableResult
  mutating func append(
    _ body: Instruction.Body, _ context: Context, _ accesses: [Access], mayMove: Bool = false
  ) -> Wait {
    let index = context.index
    if isDry {
      count(Instruction(body), context, times: 1)
      return Wait(tag: UInt8(index), count: 1)
    }
    if context != .sub || isPending(before: accesses) { appendPending() }
    let completion = UInt32(code.contexts[index].count + 1)
    var needed = [UInt32](repeating: 0, count: known.count)
    var end = ends[index]
    forEachConflict(accesses, context) {
      needed[$0.context] = max(needed[$0.context], $0.completion)
      end = max(end, $0.end)
    }
    end += Instruction(body).duration(on: machine, context: context, programs: programs).ticks
    ends[index] = end
    var waits: [Wait] = []
    for other in needed.indices where needed[other] > known[index][other] {
      waits.append(Wait(tag: UInt8(other), count: needed[other]))
      known[index][other] = needed[other]
    }
    for access in accesses { record(Entry(access: access, context: index, completion: completion, end: end)) }
    precondition(waits.count <= 4, "the compiler uses at most five contexts")
    code.contexts[index].append(Instruction(waits: waits, kernel: kernel, body))
    let wait = Wait(tag: UInt8(index), count: completion)
    last = wait
    note(.instruction(body, accesses), at: wait, mayMove: mayMove)
    return wait
  }

  /// Appends what main and sub can do alike, here or behind loads that come next, which it does not need to wait for.
  mutating func appendToEither(_ body: TensorInstruction, _ accesses: [Access]) {
    guard usesEither, !isDry else {
      append(.tensor(body), .main, accesses)
      return
    }
    pending.append((body, accesses))
  }

  /// Whether something that was to be appended touches the same.
  private func isPending(before accesses: [Access]) -> Bool {
    pending.contains { waiting in
      waiting.accesses.contains { access in
        accesses.contains { ($0.writes || access.writes) && $0.overlaps(access) }
      }
    }
  }

  /// Appends what either context can do, on sub where that is done well before main would be.
  mutating func appendPending() {
    guard let first = pending.first else { return }
    if placedKernel != kernel {
      let ends = [Context.main, .sub].map { context in
        start(on: context, first.accesses)
          + pending.reduce(0) {
            $0 + Instruction(.tensor($1.body)).duration(on: machine, context: context, programs: []).ticks
          }
      }
      let gain = machine.issueMainCycles / 2 * machine.ticksPerCycle
      (placedKernel, place) = (kernel, ends[1] + gain < ends[0] ? .sub : .main)
    }
    let waiting = pending
    pending = []
    for (body, accesses) in waiting { append(.tensor(body), place, accesses) }
  }

  /// Appends to the context of a completion nothing but the wait for another.
  /// - Returns: the wait for both.
  mutating func hold(_ wait: Wait, until other: Wait) -> Wait {
    let (index, tag) = (Int(wait.tag), Int(other.tag))
    code.contexts[index].append(Instruction(waits: [other], kernel: kernel, .control(.wait)))
    known[index][tag] = max(known[index][tag], other.count)
    ends[index] = max(ends[index], ends[tag])
    let both = Wait(tag: wait.tag, count: UInt32(code.contexts[index].count))
    last = both
    note(.hold(until: other), at: both, mayMove: false)
    return both
  }

  private mutating func note(_ body: Step.Body, at place: Wait, mayMove: Bool) {
    numbers[Int(place.tag)].append(steps.count)
    steps.append(Step(body: body, kernel: kernel, place: place, mayMove: mayMove))
  }

  /// When an instruction of a context may start, about.
  func start(on context: Context, _ accesses: [Access]) -> Int {
    var start = ends[context.index]
    forEachConflict(accesses, context) { start = max(start, $0.end) }
    return start
  }

  /// What instructions of other contexts touch and one with these accesses must wait for.
  private func forEachConflict(_ accesses: [Access], _ context: Context, _ body: (Entry) -> Void) {
    for access in accesses {
      for entry in history[access.memory.rawValue]
      where entry.context != context.index && (entry.access.writes || access.writes)
        && entry.access.range.overlaps(access.range) && entry.access.slices.overlaps(access.slices)
      {
        body(entry)
      }
    }
  }

  private mutating func count(_ instruction: Instruction, _ context: Context, times: Int) {
    let ticks = times * instruction.duration(on: machine, context: context, programs: programs).ticks
    let needs = Units.Needs(instruction, isMain: context == .main)
    if context == .main {
      work.main += ticks
      if case .tensor(let body) = instruction.body, body.accumulate.kind == .contract {
        work.contractions += times
      }
      if !needs.second, !needs.exchange { work.mainSharing += ticks }
      if !needs.second, needs.exchange { work.mainSwitching += ticks }
    } else {
      work.sub += ticks
      if needs.exchange { work.subSwitching += ticks }
    }
  }

  /// The number of the step with a completion.
  func number(_ place: Wait) -> Int { numbers[Int(place.tag)][Int(place.count) - 1] }

  /// The same steps in another order, each behind those that it may not overtake.
  /// - Returns: also the completion of each, by its number here.
  func reordered(_ places: [InstructionOrder.Place]) -> (emitter: Emitter, completions: [Wait]) {
    var next = Emitter(machine)
    (next.programs, next.programIndex) = (programs, programIndex)
    var completions = steps.map(\.place)
    for place in places {
      let step = steps[place.task]
      next.kernel = step.kernel
      switch step.body {
      case .instruction(let body, let accesses):
        completions[place.task] = next.append(
          body, Context(index: place.context), accesses, mayMove: step.mayMove)
      case .hold(let until):
        let count = UInt32(next.code.contexts[place.context].count)
        completions[place.task] = next.hold(
          Wait(tag: UInt8(place.context), count: count), until: completions[number(until)])
      }
    }
    return (next, completions)
  }

  /// Counts what an instruction of a dry run takes longer than the one whose place it takes.
  mutating func spend(_ body: TensorInstruction, _ context: Context, insteadOf other: TensorInstruction) {
    count(Instruction(.tensor(body)), context, times: 1)
    count(Instruction(.tensor(other)), context, times: -1)
  }

  /// Counts instructions of a dry run that were timed before.
  mutating func spend(_ known: Work) { work = work + known }

  private mutating func record(_ entry: Entry) {
    let memory = entry.access.memory.rawValue
    if entry.access.writes {
      // What lies inside a later write is ordered before it, and so before all that conflicts with it.
      history[memory].removeAll { entry.access.contains($0.access) }
    }
    history[memory].append(entry)
  }
}

extension Range {
  fileprivate func contains(_ other: Range) -> Bool {
    lowerBound <= other.lowerBound && other.upperBound <= upperBound
  }
}
