import KernelIR
import Machine
import NPUISA
import Support

/// Compiles graphs of kernels for the slice machine.
public enum NPUCompiler {
  public enum WeightMode: String, CaseIterable, Sendable {
    /// Every run reads constants from DRAM.
    case streamed
    /// The load program places them once.
    case resident
    /// Resident where all fit, else streamed.
    case auto
  }

  public struct Options: Sendable {
    public var weights = WeightMode.auto
    /// Mappings that are tried per kernel.
    public var effort = 16
    /// Unfinished programs that are kept side by side.
    public var beam = 4

    public init() {}
  }

  /// - Precondition: `refusal` is nil for every node.
  /// - Throws: `unsupportedKernel` or `doesNotFit`, naming the kernel.
  public static func compile(
    _ graph: KernelGraph, on machine: SliceMachine, _ options: Options = Options()
  ) throws(Diagnostic) -> NPUProgram {
    let graph = graph.legalised()
    let streamed = try ProgramCompiler.compile(graph, machine, residentBytes: 0, options)
    guard options.weights != .streamed, streamed.residentDemand > 0 else { return streamed.program() }
    // With less room left the mappings may change, and with them what the constants take.
    var room = streamed.residentDemand
    for _ in 0..<4 where room < machine.sramBytesPerSlice {
      guard let placed = try? ProgramCompiler.compile(graph, machine, residentBytes: room, options) else {
        break
      }
      if placed.residentDemand <= room { return placed.program() }
      room = max(placed.residentDemand, room + 64)
    }
    guard options.weights == .auto else {
      throw Diagnostic(
        .doesNotFit,
        "resident weights need \(streamed.residentDemand) bytes of a slice's \(machine.sramBytesPerSlice) beside the activations",
        help: "use --weights streamed")
    }
    return streamed.program()
  }
}
