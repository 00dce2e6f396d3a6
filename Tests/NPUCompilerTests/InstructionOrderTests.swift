import Machine
import NPUCompiler
import NPUISA
import Support
import TargetFiles
import Testing

/// Contexts: main, sub and two engines.
@Suite struct InstructionOrderTests {
  private typealias Place = InstructionOrder.Place

  private func task(_ ticks: Int, on contexts: [Int], after: [Int] = []) -> InstructionOrder.Task {
    InstructionOrder.Task(ticks: (0..<4).map { contexts.contains($0) ? ticks : nil }, after: after)
  }

  private func order(
    _ tasks: [InstructionOrder.Task], slack: Int = 0, keepsOrder: Bool = true
  ) -> [Place] {
    InstructionOrder(tasks).places(.init(slack: slack, keepsOrder: keepsOrder))
  }

  private func tasks(_ places: [Place], on context: Int) -> [Int] {
    places.filter { $0.context == context }.map(\.task)
  }

  /// A copy of what main makes would hold up constants that stream behind it.
  @Test func constantsPassCopiesThatWait() {
    let found = order([
      task(100, on: [0]), task(20, on: [2], after: [0]), task(30, on: [2, 3]), task(30, on: [2, 3]),
      task(30, on: [2, 3]), task(10, on: [0], after: [1, 2, 3, 4]),
    ])
    #expect(tasks(found, on: 2) == [2, 4, 1])
    #expect(tasks(found, on: 3) == [3])
  }

  /// What both contexts can do goes to the one that is free.
  @Test func movesTakeTheFreeContext() {
    let found = order([task(100, on: [0]), task(20, on: [0, 1]), task(10, on: [0], after: [0, 1])])
    #expect(found == [Place(task: 0, context: 0), Place(task: 1, context: 1), Place(task: 2, context: 0)])
  }

  /// Of two that may begin, the one at which the longer chain hangs; or the first.
  @Test func longChainsComeFirst() {
    let both = [
      task(10, on: [1]), task(10, on: [1]), task(5, on: [0], after: [0]), task(50, on: [0], after: [1]),
    ]
    #expect(tasks(order(both, keepsOrder: false), on: 1) == [1, 0])
    #expect(tasks(order(both, keepsOrder: true), on: 1) == [0, 1])
  }

  /// Of two that may begin at about the same time the more urgent waits for less than the slack.
  @Test func urgentTasksMayBeginLater() {
    let both = [
      task(5, on: [0]), task(10, on: [1]), task(10, on: [1], after: [0]), task(90, on: [0], after: [2]),
    ]
    #expect(tasks(order(both, slack: 4, keepsOrder: false), on: 1) == [1, 2])
    #expect(tasks(order(both, slack: 5, keepsOrder: false), on: 1) == [2, 1])
  }

  /// While main has the switch, sub does what does not need it.
  @Test func unitsAreNotTakenTwice() {
    var shift = TensorInstruction()
    shift.exchange.kind = .shift
    func task(_ ticks: Int, _ context: Int, _ body: TensorInstruction) -> InstructionOrder.Task {
      var task = self.task(ticks, on: [context])
      task.needs = [true, false].map { Units.Needs(Instruction(.tensor(body)), isMain: $0) }
      return task
    }
    let found = order([task(100, 0, shift), task(10, 1, shift), task(10, 1, TensorInstruction())])
    #expect(tasks(found, on: 1) == [2, 1])
  }

  /// DRAM serves one copy after another: what waits for the second of two begins later than the copies alone would have it.
  @Test func dramIsShared() throws {
    let machine = try Targets.builtin("warboy-2pe").machine
    let copy = DMAInstruction(from: .init(.dram, 0), to: .init(.sram, 0), run: 65536, [])
    let time = copy.time(on: machine)
    var copies = [task(time.ticks, on: [2]), task(time.ticks, on: [3])]
    for index in copies.indices { copies[index].time = time }
    let found = order(
      copies + [
        task(time.ticks + 1, on: [0]), task(1, on: [0], after: [1]), task(1, on: [0], after: [2]),
      ])
    #expect(tasks(found, on: 0) == [2, 4, 3])
  }

  /// Whatever the tasks, each comes once, behind its predecessors, where it can run.
  @Test func everyTaskComesOnce() {
    var random = SeededRandom(seed: 7)
    for _ in 0..<200 {
      let count = Int.random(in: 1...40, using: &random)
      let tasks = (0..<count).map { number in
        task(
          Int.random(in: 0...50, using: &random),
          on: [[0], [1], [0, 1], [2], [3], [2, 3]].randomElement(using: &random) ?? [0],
          after: (0..<number).filter { _ in Int.random(in: 0..<8, using: &random) == 0 })
      }
      for keepsOrder in [true, false] {
        let found = order(tasks, slack: Int.random(in: 0...20, using: &random), keepsOrder: keepsOrder)
        #expect(found.map(\.task).sorted() == Array(tasks.indices))
        var position = [Int](repeating: 0, count: count)
        for (index, place) in found.enumerated() { position[place.task] = index }
        for (number, task) in tasks.enumerated() {
          #expect(task.predecessors.allSatisfy { position[$0] < position[number] })
        }
        #expect(found.allSatisfy { tasks[$0.task].ticks[$0.context] != nil })
      }
    }
  }
}
