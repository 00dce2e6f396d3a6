import Machine
import NPUISA
import Support
import Tensors

/// Proves from a binary alone that it is safe under every timing: rules C1 to C7 of Docs/npu-machine.md. It
/// shares the records and the limits of the instruction set with the rest, and nothing with compiler or
/// interpreters.
public enum NPUChecker {
  /// No more findings than these are collected.
  public static let limit = 100

  /// What the program breaks; empty if it is proved safe. A finding names phase, context and position of the
  /// expanded list (of the list as it stands where a field is wrong).
  public static func check(_ program: NPUProgram, on machine: SliceMachine) -> [Diagnostic] {
    var found = fieldFindings(program, machine)
    found += portFindings(program, machine)
    guard found.isEmpty else { return Array(found.prefix(limit)) }
    var state = Proof(program, machine)
    for phase in Phase.allCases {
      do throws(Diagnostic) {
        try state.run(phase == .load ? program.load : program.run, phase)
      } catch {
        state.findings.append(located(error, phase, nil))
      }
      guard state.findings.isEmpty || phase == .run else { break }
    }
    return state.findings
  }

  enum Phase: String, CaseIterable {
    case load
    case run
  }

  /// `load main 3: message`.
  static func located(_ diagnostic: Diagnostic, _ phase: Phase, _ event: Order.Event?) -> Diagnostic {
    guard let event else { return Diagnostic(diagnostic.kind, "\(phase): \(diagnostic.message)") }
    let name = Context(index: event.context).name
    return Diagnostic(
      diagnostic.kind, at: .instruction(event.position),
      "\(phase) \(name) \(event.position): \(diagnostic.message)")
  }

  /// C1.
  private static func fieldFindings(_ program: NPUProgram, _ machine: SliceMachine) -> [Diagnostic] {
    var found: [Diagnostic] = []
    for (phase, code) in [(Phase.load, program.load), (.run, program.run)] {
      guard code.contexts.count == 2 + machine.dmaEngines else {
        found.append(
          Diagnostic(
            .invalidProgram,
            "\(phase): code for \(code.contexts.count) contexts, the machine has \(2 + machine.dmaEngines)"))
        continue
      }
      for (context, list) in code.contexts.enumerated() {
        for (position, instruction) in list.enumerated() {
          var broken = instruction.check(
            on: machine, context: Context(index: context), programs: program.programs)
          if !program.kernels.isEmpty || instruction.kernel != 0, instruction.kernel >= program.kernels.count
          {
            broken.append(
              Diagnostic(
                .fieldRange, "kernel is \(instruction.kernel), the table has \(program.kernels.count)"))
          }
          // C6: the rows of a scatter are known at run time only.
          if case .dma(let dma) = instruction.body, dma.index?.side == .scatter,
            let rows = dma.loops.first?.size, rows > 1
          {
            broken.append(
              Diagnostic(.forbiddenWrite, "a scatter of \(rows) rows may write one of them twice"))
          }
          let event = Order.Event(context: context, position: position)
          found += broken.map { located($0, phase, event) }
          guard found.count < limit else { return found }
        }
      }
    }
    return found
  }

  /// C2 of what the host and the file place in DRAM.
  private static func portFindings(_ program: NPUProgram, _ machine: SliceMachine) -> [Diagnostic] {
    var found: [Diagnostic] = []
    guard program.dramBytes >= 0, program.dramBytes <= machine.dramBytes else {
      return [
        Diagnostic(.addressRange, "dram_bytes is \(program.dramBytes), the machine has \(machine.dramBytes)")
      ]
    }
    // Inputs and images hold what the host put there, so none may lie on another; outputs not on images.
    var fixed: [(name: String, range: Range<Int>, isOutput: Bool)] = []
    func place(_ name: String, _ address: Int64, _ count: Int, isOutput: Bool) {
      guard address >= 0, Int64(count) <= program.dramBytes, address <= program.dramBytes - Int64(count)
      else {
        found.append(
          Diagnostic(
            .addressRange, "\(name) at \(address) has \(count) bytes; DRAM ends at \(program.dramBytes)"))
        return
      }
      fixed.append((name, Int(address)..<(Int(address) + count), isOutput))
    }
    for (isOutput, ports) in [(false, program.inputs), (true, program.outputs)] {
      for port in ports {
        guard let count = try? port.type.byteCount().bytes else {
          found.append(
            Diagnostic(.sizeOverflow, "port '\(port.name)' has type \(port.type), which has no size"))
          continue
        }
        place("port '\(port.name)'", port.address, count, isOutput: isOutput)
      }
    }
    for (index, image) in program.images.enumerated() {
      place("image \(index)", image.address, image.bytes.count, isOutput: false)
    }
    let sorted = fixed.filter { !$0.range.isEmpty && !$0.isOutput }
      .sorted { $0.range.lowerBound < $1.range.lowerBound }
    for (left, right) in zip(sorted, sorted.dropFirst()) where left.range.upperBound > right.range.lowerBound
    {
      found.append(Diagnostic(.forbiddenWrite, "\(left.name) and \(right.name) overlap in DRAM"))
    }
    return found
  }
}
