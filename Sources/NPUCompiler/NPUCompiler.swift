import KernelIR
import Machine
import NPUISA
import Support
import Tensors

/// Compiles graphs of kernels for the slice machine.
public enum NPUCompiler {
  public enum WeightMode: String, CaseIterable, Sendable {
    /// Every run reads constants from DRAM.
    case streamed
    /// The load program places them once.
    case resident
    /// Resident where all fit and that is faster, else streamed.
    case auto
  }

  public struct Options: Sendable {
    public var weights = WeightMode.auto
    /// Mappings that are tried per kernel.
    public var effort = 16
    /// Unfinished programs that are kept side by side.
    public var beam: Int { effort }

    public init() {}
  }

  /// - Precondition: `refusal` is nil for every node.
  /// - Throws: `unsupportedKernel` or `doesNotFit`, naming the kernel.
  public static func compile(
    _ graph: KernelGraph, on machine: SliceMachine, _ options: Options = Options()
  ) throws(Diagnostic) -> Result {
    let graph = graph.legalised()
    let hasConstants = graph.buffers.ids.contains { graph.buffers[$0].constant != nil }
    if options.weights != .streamed, hasConstants {
      let placed = try resident(graph, machine, options)
      if let placed, options.weights == .resident { return placed }
      if let placed {
        // Values that find no room cost more than constants that stream.
        let other = try streamed(graph, machine, options)
        return other.program.predictedRunTicks < placed.program.predictedRunTicks ? other : placed
      }
      if options.weights == .resident {
        let found = try ProgramCompiler.search(graph, machine, residentBytes: 0, price: 0, options)
        throw Diagnostic(
          .doesNotFit,
          "resident weights need about \(found.residentDemand) bytes of a slice's \(machine.sramBytesPerSlice) beside the activations",
          help: "use --weights streamed")
      }
    }
    return try streamed(graph, machine, options)
  }

  private static func streamed(
    _ graph: KernelGraph, _ machine: SliceMachine, _ options: Options
  ) throws(Diagnostic) -> Result {
    let found = try ProgramCompiler.search(graph, machine, residentBytes: 0, price: 0, options)
    let program = try found.emitted(residentBytes: 0, options).program()
    return Result(program: program, decisions: found.decisions)
  }

  /// A program with all constants in SRAM, or nil if that was not found: the less room there is, the dearer are copies of
  /// constants.
  private static func resident(
    _ graph: KernelGraph, _ machine: SliceMachine, _ options: Options
  ) throws(Diagnostic) -> Result? {
    let bytes = graph.buffers.ids.reduce(0) { $0 + (graph.buffers[$1].constant?.type.byteCountOrZero ?? 0) }
    let least = bytes / machine.slices
    let cycle = Double(machine.ticksPerCycle)
    for (eighths, price) in [(4, 0.0), (6, 0.2), (7, 1.0), (7, 5.0)] {
      let room = machine.sramBytesPerSlice / 8 * eighths
      // Copies take at least as much again where there is room for them.
      guard eighths == 7 ? least < room : least * 3 < room else { continue }
      guard
        let found = try? ProgramCompiler.search(
          graph, machine, residentBytes: room, price: price * cycle, options),
        found.residentDemand > 0, found.residentDemand <= room,
        let placed = try? found.emitted(residentBytes: found.residentDemand, options),
        placed.residentDemand <= found.residentDemand
      else { continue }
      return Result(program: placed.program(), decisions: found.decisions)
    }
    return nil
  }
}

extension TensorType {
  fileprivate var byteCountOrZero: Int { (try? byteCount().bytes) ?? 0 }
}
