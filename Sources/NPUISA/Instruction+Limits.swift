import KernelIR
import Machine
import Support
import Tensors

/// Rule C1: every field within its limits, and the parts of an instruction fitting each other, its context
/// and the machine. Addresses are C2 and need the footprints of the checker.
extension Instruction {
  /// What the instruction breaks, in the order of its fields; empty for a legal one.
  public func check(on machine: SliceMachine, context: Context, programs: [Program]) -> [Diagnostic] {
    // What follows divides by sizes and indexes loops.
    var rules = Rules(found: rangeFindings())
    guard rules.found.isEmpty else { return rules.found }
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
  private(set) var found: [Diagnostic]

  init(found: [Diagnostic] = []) { self.found = found }

  mutating func broken(_ message: String) { found.append(Diagnostic(.invalidProgram, message)) }

  mutating func require(_ holds: Bool, _ message: @autoclosure () -> String) {
    if !holds { broken(message()) }
  }

  mutating func range(_ name: String, _ value: some BinaryInteger, _ low: Int, _ high: Int) {
    guard value < low || value > high else { return }
    found.append(Diagnostic(.fieldRange, "\(name) is \(value), allowed is \(low) … \(high)"))
  }

  mutating func check(waits: [Wait], _ machine: SliceMachine) {
    for wait in waits {
      range("tag of a wait", wait.tag, 0, 1 + machine.dmaEngines)
      range("count of a wait", wait.count, 1, 1 << 20)
    }
    for (left, right) in zip(waits, waits.dropFirst()) where left.tag >= right.tag {
      broken("waits are not in ascending order of different tags: \(left.tag), \(right.tag)")
    }
  }

  mutating func check(_ control: ControlInstruction, waits: [Wait]) {
    if case .loop = control { require(waits.isEmpty, "a loop waits; its body may") }
  }

  mutating func check(_ dma: DMAInstruction) {
    require(
      dma.runs <= StreamShape.limit, "the loops have more than \(StreamShape.limit) runs together")
    let addresses = [dma.source.base, dma.destination.base] + (dma.index.map { [$0.list.base] } ?? [])
    for address in addresses + dma.loops.flatMap({ [$0.sourceStride, $0.destinationStride] }) {
      require(address.magnitude < 1 << 45, "an address or stride is \(address), beyond 2^45")
    }
    require(dma.index == nil || !dma.loops.isEmpty, "an index list without a loop that it indexes")
  }
}
