import KernelIR
import Machine
import NPUISA
import Support
import Tensors

/// The lists of a program with loops expanded, every instruction checked and planned.
struct DecodedCode: Sendable {
  enum Step: Sendable {
    case tensor(TensorPlan)
    case dma(DMAPlan)
    case barrier
    case wait
  }

  let contexts: [[Step]]
  let entries: [[EventSimulation.Entry]]
  let instructions: [[Instruction]]

  init(_ code: Code, program: NPUProgram, on machine: SliceMachine) throws(Diagnostic) {
    guard code.contexts.count == 2 + machine.dmaEngines || code.isEmpty else {
      throw Diagnostic(
        .invalidProgram,
        "the program has lists for \(code.contexts.count) contexts, the machine has \(2 + machine.dmaEngines)"
      )
    }
    let expanded = try code.expanded()
    var contexts: [[Step]] = []
    var entries: [[EventSimulation.Entry]] = []
    for (index, list) in expanded.contexts.enumerated() {
      var steps: [Step] = []
      var conditions: [EventSimulation.Entry] = []
      for (position, instruction) in list.enumerated() {
        guard instruction.waits.allSatisfy({ Int($0.tag) < expanded.contexts.count }) else {
          throw Diagnostic(
            .invalidProgram, at: .instruction(position),
            "an instruction waits for a context that does not exist")
        }
        let step: Step
        do {
          step = try Self.plan(instruction, Context(index: index), program, machine)
        } catch {
          throw error.located(at: .instruction(position))
        }
        steps.append(step)
        conditions.append(Self.conditions(instruction, step, index))
      }
      contexts.append(steps)
      entries.append(conditions)
    }
    self.contexts = contexts
    self.entries = entries
    instructions = expanded.contexts
  }

  private static func plan(
    _ instruction: Instruction, _ context: Context, _ program: NPUProgram, _ machine: SliceMachine
  ) throws(Diagnostic) -> Step {
    switch instruction.body {
    case .tensor(let body):
      return .tensor(try TensorPlan(body, context: context, on: machine, programs: program.programs))
    case .dma(let body): return .dma(try DMAPlan(body, context: context, on: machine))
    case .control(.barrier): return .barrier
    case .control: return .wait
    }
  }

  private static func conditions(
    _ instruction: Instruction, _ step: Step, _ context: Int
  ) -> EventSimulation.Entry {
    var entry = EventSimulation.Entry(waits: instruction.waits, units: [], isBarrier: false)
    switch step {
    case .barrier: entry.isBarrier = true
    case .tensor(let plan):
      if context == 1 || plan.body.second != nil { entry.units.insert(.second) }
      if plan.body.exchange.kind != .forward { entry.units.insert(.exchange) }
      if plan.program != nil || plan.body.isReduction { entry.units.insert(.vector) }
    case .dma, .wait: break
    }
    return entry
  }
}
