import Machine
import NPUISA
import Support

extension NPUInterpreter {
  /// A memory of one slice, for tests and debuggers.
  public enum Memory: Hashable, Sendable, CaseIterable {
    /// Bytes, each as a word.
    case sram
    /// A word for each byte of each unit: the widened elements.
    case registerFile
    case vectorRegisters
    case tables
  }

  /// What a memory holds now. - Precondition: the machine has the slice.
  public func contents(_ memory: Memory, slice: Int) -> [UInt32] {
    precondition(slice >= 0 && slice < machine.slices, "slice \(slice) of \(machine.slices)")
    switch memory {
    case .sram:
      let bytes = UnsafeRawBufferPointer(start: state.sram(slice), count: machine.sramBytesPerSlice)
      return bytes.map { UInt32($0) }
    case .registerFile:
      let count = state.unitsPerSlice * state.wordsPerUnit
      state.spreadQuads(slice, state.allBlocks)
      return Array(UnsafeBufferPointer(start: state.registers(slice), count: count))
    case .vectorRegisters:
      return Array(UnsafeBufferPointer(start: state.vectors(slice), count: state.vectorWords))
    case .tables: return Array(UnsafeBufferPointer(start: state.tables(slice), count: state.tableWords))
    }
  }
}
