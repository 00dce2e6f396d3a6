import Machine
import NPUISA
import Support

/// What an instruction touches of one memory of one slice: for tests and tools.
public struct Touch: Hashable, Sendable {
  public enum Memory: String, CaseIterable, Sendable {
    case dram
    case sram
    case registerFile
    case vectorRegisters
    case tables
  }

  public let memory: Memory
  /// Of DRAM 0.
  public let slice: Int
  public let isWrite: Bool
  /// Bytes, units or words, ascending.
  public let places: [Range<Int>]
}

extension NPUChecker {
  /// The footprint that the proof uses, slice by slice. - Precondition: the instruction breaks no limit.
  public static func touches(
    of instruction: Instruction, on machine: SliceMachine, in program: NPUProgram
  ) -> [Touch] {
    let footprint =
      switch instruction.body {
      case .tensor(let tensor): Footprint(tensor, machine, programs: ProgramTables(program))
      case .dma(let dma): Footprint(dma, machine)
      case .control: Footprint()
      }
    return footprint.accesses.flatMap { access in
      (access.space == .dram ? [0] : access.slices).map { slice in
        Touch(
          memory: Touch.Memory(access.space), slice: slice, isWrite: access.kind != .read,
          places: access.places.list)
      }
    }
  }
}

extension Touch.Memory {
  fileprivate init(_ space: Space) {
    self =
      switch space {
      case .dram: .dram
      case .sram: .sram
      case .registerFile: .registerFile
      case .vectorRegisters: .vectorRegisters
      case .tables: .tables
      }
  }
}
