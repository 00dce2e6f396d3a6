/// The numbers of one slice machine (family `npu`), as its target file gives them. Sizes are in bytes,
/// rates in bytes per cycle, times in the unit that the name ends with; a tick is `1 / ticksPerCycle` cycles,
/// so that every time in the timing model is an integer.
public struct SliceMachine: Hashable, Sendable {
  public var name = ""
  /// Cycles per second.
  public var clockHz = 0
  public var ticksPerCycle = 1

  /// Slices that run as one machine; a power of two.
  public var slices = 0
  public var sramBytesPerSlice = 0
  /// The distance of two slices in the flat SRAM address space of DMA; a power of two.
  public var sramWindowBytes = 1 << 20
  public var dramBytes = 0

  /// Dot-product lanes of a slice; 8.
  public var lanes = 8
  /// Bytes of the streamed operand that a lane multiplies in a cycle.
  public var packetBytes = 0
  public var flitBytes = 0
  public var fetchMainBytesPerCycle = 0
  public var fetchSubBytesPerCycle = 0
  public var commitMainBytesPerCycle = 0
  public var commitSubBytesPerCycle = 0
  /// Of the stationary operand, over all lanes.
  public var registerFileBytes = 0
  /// Of 32-bit vector operands.
  public var vectorRegisterBytes = 0
  /// Slots of 256 entries of 32 bits.
  public var tableSlots = 0
  /// Cells of 64 bits.
  public var accumulators = 0
  /// Elements per cycle: integer steps, float steps, and intra-slice reductions.
  public var vectorWaysInteger = 8
  public var vectorWaysFloat = 4
  public var vectorWaysReduce = 4

  public var issueMainCycles = 0
  public var issueSubCycles = 0
  public var vectorLatencyCycles = 0
  /// Per slice of a reducer or switch ring.
  public var hopCycles = 0

  public var dmaEngines = 1
  public var dmaStartupCycles = 0
  public var dmaBytesPerCycle = 0
  /// The least cycles that one run of a descriptor takes on the SRAM side.
  public var dmaRunCycles = 0
  public var dramGranuleBytes = 0
  public var dramGranuleTicks = 0
  /// Added per run that writes DRAM and does not end on a whole granule.
  public var dramPartialWriteTicks = 0

  /// Per run of a program, before its first instruction.
  public var launchNanoseconds = 0
  public var linkBytesPerSecond = 0
  /// Host conversions (quantize, dequantize, layout), elements per second.
  public var hostElementsPerSecond = 0

  /// Energies in femtojoules: per int8 multiply-add, per byte of SRAM, per byte of DRAM, per vector element step.
  public var macFemtojoules = 0
  public var sramByteFemtojoules = 0
  public var dramByteFemtojoules = 0
  public var vectorFemtojoules = 0
  public var tdpMilliwatts = 0

  /// What the tensor unit multiplies, by name: `i8`, `f8e4m3`, `bf16` …
  public var contractionTypes: [String] = []

  public init() {}
}
