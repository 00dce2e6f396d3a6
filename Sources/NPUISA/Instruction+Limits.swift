import KernelIR
import Machine
import Support
import Tensors

/// Rule C1: every field within its limits, and the parts of an instruction fitting each other, its context
/// and the machine. Addresses are C2 and need the footprints of the checker.
extension Instruction {
  /// What the instruction breaks, in the order of its fields; empty for a legal one.
  public func check(on machine: SliceMachine, context: Context, programs: [Program]) -> [Diagnostic] {
    var rules = Rules()
    rules.check(waits: waits, machine)
    switch body {
    case .tensor(let tensor):
      if case .dma = context { rules.broken("a tensor instruction stands in a DMA context") }
      rules.check(tensor, machine, isMain: context == .main, programs)
    case .dma(let dma):
      switch context {
      case .dma: break
      default: rules.broken("a DMA instruction stands in a tensor context")
      }
      rules.check(dma)
    case .control(let control): rules.check(control, waits: waits)
    }
    return rules.found
  }
}

/// The findings so far.
struct Rules {
  private(set) var found: [Diagnostic] = []

  mutating func broken(_ message: String) { found.append(Diagnostic(.invalidProgram, message)) }

  mutating func require(_ holds: Bool, _ message: @autoclosure () -> String) {
    if !holds { broken(message()) }
  }

  mutating func range(_ name: String, _ value: some BinaryInteger, _ low: Int, _ high: Int) {
    guard value < low || value > high else { return }
    found.append(Diagnostic(.fieldRange, "\(name) is \(value), allowed is \(low) … \(high)"))
  }

  mutating func check(waits: [Wait], _ machine: SliceMachine) {
    range("number of waits", waits.count, 0, 4)
    for wait in waits {
      range("tag of a wait", wait.tag, 0, 1 + machine.dmaEngines)
      range("count of a wait", wait.count, 1, 1 << 20)
    }
    for (left, right) in zip(waits, waits.dropFirst()) where left.tag >= right.tag {
      broken("waits are not in ascending order of different tags: \(left.tag), \(right.tag)")
    }
  }

  mutating func check(_ control: ControlInstruction, waits: [Wait]) {
    guard case .loop(let loop) = control else { return }
    require(waits.isEmpty, "a loop waits; its body may")
    range("count of a loop", loop.count, 1, 1 << 20)
    range("body of a loop", loop.body, 1, 1 << 20)
  }

  mutating func check(_ dma: DMAInstruction) {
    range("number of loops", dma.loops.count, 0, 8)
    for loop in dma.loops { range("size of a loop", loop.size, 1, 65536) }
    range("run", dma.runBytes, 1, 4096)
    require(
      dma.runs <= StreamShape.limit, "the loops have more than \(StreamShape.limit) runs together")
    guard let index = dma.index else { return }
    require(!dma.loops.isEmpty, "an index list without a loop that it indexes")
    range("rows of an index list", index.rows, 1, Int(Int32.max))
  }
}
