import Machine
import NPUISA
import Support

/// When every instruction of a program runs, found without data and without the machine's memories: time depends
/// on neither.
public struct ProgramTiming: Sendable {
  /// Of the last completion.
  public let ticks: Int64
  /// In the order of the starts.
  public let timeline: [TimelineEntry]
  /// By context, loops expanded: what the timeline's positions count.
  public let instructions: [[Instruction]]
  private let code: DecodedCode

  /// - Parameter code: the load or the run of `program`.
  /// - Throws: what makes the code malformed; `neverReached` for a deadlock.
  public init(_ code: Code, of program: NPUProgram, on machine: SliceMachine) throws(Diagnostic) {
    self.code = try DecodedCode(code, program: program, on: machine)
    instructions = self.code.instructions
    var client = SchedulingClient(self.code, program, machine)
    var simulation = EventSimulation(self.code.entries)
    ticks = try simulation.run(&client)
    timeline = client.schedule.timeline
  }

  public func instruction(_ entry: TimelineEntry) -> Instruction {
    instructions[entry.context][entry.position]
  }

  /// What the instruction moves and computes.
  public func counters(_ entry: TimelineEntry) -> RunCounters {
    switch code.contexts[entry.context][entry.position] {
    case .barrier, .wait: RunCounters()
    case .tensor(let plan): plan.counters
    case .dma(let plan): plan.counters
    }
  }
}
