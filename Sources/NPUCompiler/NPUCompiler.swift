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

    public init() {}
  }

  /// - Precondition: `refusal` is nil for every node.
  /// - Throws: `unsupportedKernel` or `doesNotFit`, naming the kernel.
  public static func compile(
    _ graph: KernelGraph, on machine: SliceMachine, _ options: Options = Options()
  ) throws(Diagnostic) -> NPUProgram {
    let graph = graph.legalised()
    let streamed = try attempt(graph, machine, residentBytes: 0, options)
    guard options.weights != .streamed, streamed.residentDemand > 0 else { return streamed.program() }
    // With less room left the mappings may change, and with them what the constants take.
    var room = streamed.residentDemand
    for _ in 0..<4 where room < machine.sramBytesPerSlice {
      if let placed = try? attempt(graph, machine, residentBytes: room, options) {
        if placed.residentDemand <= room { return placed.program() }
        room = max(placed.residentDemand, room + 64)
      } else {
        break
      }
    }
    guard options.weights == .auto else {
      throw Diagnostic(
        .doesNotFit,
        "resident weights need \(streamed.residentDemand) bytes of a slice's \(machine.sramBytesPerSlice) beside the activations",
        help: "use --weights streamed")
    }
    return streamed.program()
  }

  private static func attempt(
    _ graph: KernelGraph, _ machine: SliceMachine, residentBytes: Int, _ options: Options
  ) throws(Diagnostic) -> ProgramCompiler {
    var compiler = ProgramCompiler(graph, machine, residentBytes: residentBytes)
    try compiler.compile(options)
    return compiler
  }
}
