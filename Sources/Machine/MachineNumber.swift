/// One number of a slice machine: its key in target files, its place in `SliceMachine`, and what it may be.
/// Reader, writer, validation and the tables of `furc targets` derive from these records.
public struct MachineNumber: Sendable {
  /// As in the target file; the unit is part of it.
  public let key: String
  /// One line.
  public let summary: String
  public let allowed: ClosedRange<Int>
  public let isPowerOfTwo: Bool
  public let get: @Sendable (SliceMachine) -> Int
  public let set: @Sendable (inout SliceMachine, Int) -> Void

  init(
    _ key: String, _ path: any WritableKeyPath<SliceMachine, Int> & Sendable, _ allowed: ClosedRange<Int>,
    powerOfTwo: Bool = false, _ summary: String
  ) {
    self.key = key
    self.summary = summary
    self.allowed = allowed
    isPowerOfTwo = powerOfTwo
    get = { $0[keyPath: path] }
    set = { $0[keyPath: path] = $1 }
  }

  /// In the order of target files. A new number is a property of `SliceMachine` and a line here.
  public static let all: [MachineNumber] = clock + geometry + registers + tensorUnit + memory + host + energy

  private static let clock: [MachineNumber] = [
    MachineNumber("clock_hz", \.clockHz, 1...100_000_000_000, "cycles per second"),
    MachineNumber("ticks_per_cycle", \.ticksPerCycle, 1...65536, "parts of a cycle that times count in"),
  ]
  private static let geometry: [MachineNumber] = [
    MachineNumber("slices", \.slices, 1...4096, powerOfTwo: true, "slices that run as one machine"),
    MachineNumber("sram_bytes_per_slice", \.sramBytesPerSlice, 64...(1 << 24), "SRAM of one slice"),
    MachineNumber(
      "sram_window_bytes", \.sramWindowBytes, 64...(1 << 30), powerOfTwo: true,
      "distance of two slices in the address space of DMA"),
    MachineNumber("dram_bytes", \.dramBytes, 4096...(1 << 46), "main memory"),
    MachineNumber("lanes", \.lanes, 8...8, "dot-product lanes of a slice"),
    MachineNumber(
      "packet_bytes", \.packetBytes, 1...64, powerOfTwo: true,
      "of one operand that a lane multiplies per cycle"),
    MachineNumber(
      "flit_bytes", \.flitBytes, 1...64, powerOfTwo: true, "that one link of the switch moves per cycle"),
  ]
  private static let registers: [MachineNumber] = [
    MachineNumber(
      "register_file_bytes", \.registerFileBytes, 8...(1 << 24), "stationary operand of a slice, all lanes"),
    MachineNumber(
      "vector_register_bytes", \.vectorRegisterBytes, 4...(1 << 24), "vector operands of a slice"),
    MachineNumber("table_slots", \.tableSlots, 0...32, "tables of 256 entries that a slice holds"),
    MachineNumber("accumulators", \.accumulators, 8...65536, "cells of 64 bits of a slice"),
  ]
  private static let tensorUnit: [MachineNumber] = [
    MachineNumber(
      "fetch_main_bytes_per_cycle", \.fetchMainBytesPerCycle, 1...256, "read port of the main context"),
    MachineNumber(
      "fetch_sub_bytes_per_cycle", \.fetchSubBytesPerCycle, 1...256, "read port of the sub context"),
    MachineNumber(
      "commit_main_bytes_per_cycle", \.commitMainBytesPerCycle, 1...256, "write port of the main context"),
    MachineNumber(
      "commit_sub_bytes_per_cycle", \.commitSubBytesPerCycle, 1...256, "write port of the sub context"),
    MachineNumber(
      "vector_ways_integer", \.vectorWaysInteger, 1...8, powerOfTwo: true, "elements of an i32 step per cycle"
    ),
    MachineNumber(
      "vector_ways_float", \.vectorWaysFloat, 1...8, powerOfTwo: true, "elements of an f32 step per cycle"),
    MachineNumber(
      "vector_ways_reduce", \.vectorWaysReduce, 1...8, powerOfTwo: true,
      "elements of a reduction inside a slice per cycle"),
    MachineNumber("issue_main_cycles", \.issueMainCycles, 0...1_000_000, "before an instruction of main"),
    MachineNumber("issue_sub_cycles", \.issueSubCycles, 0...1_000_000, "before an instruction of sub"),
    MachineNumber(
      "vector_latency_cycles", \.vectorLatencyCycles, 0...1_000_000, "to fill and empty the vector engine"),
    MachineNumber("hop_cycles", \.hopCycles, 0...1_000_000, "from slice to slice of a ring"),
  ]
  private static let memory: [MachineNumber] = [
    MachineNumber("dma_engines", \.dmaEngines, 1...16, "DMA engines, a context each"),
    MachineNumber(
      "dma_startup_cycles", \.dmaStartupCycles, 0...1_000_000, "before the first byte of a descriptor"),
    MachineNumber("dma_bytes_per_cycle", \.dmaBytesPerCycle, 1...65536, "of an engine on the side of SRAM"),
    MachineNumber("dma_run_cycles", \.dmaRunCycles, 0...1_000_000, "that the shortest run takes there"),
    MachineNumber(
      "dram_granule_bytes", \.dramGranuleBytes, 1...65536, powerOfTwo: true, "one access of DRAM"),
    MachineNumber("dram_granule_ticks", \.dramGranuleTicks, 1...(1 << 20), "that one access takes"),
    MachineNumber(
      "dram_partial_write_ticks", \.dramPartialWriteTicks, 0...(1 << 20),
      "that a written run adds when it is no whole number of accesses"),
  ]
  private static let host: [MachineNumber] = [
    MachineNumber("launch_nanoseconds", \.launchNanoseconds, 0...1_000_000_000, "before a run"),
    MachineNumber("link_bytes_per_second", \.linkBytesPerSecond, 1...(1 << 50), "between host and machine"),
    MachineNumber(
      "host_elements_per_second", \.hostElementsPerSecond, 1...(1 << 50), "that the host converts"),
  ]
  private static let energy: [MachineNumber] = [
    MachineNumber("mac_femtojoules", \.macFemtojoules, 0...1_000_000_000, "per int8 multiply-add"),
    MachineNumber("sram_byte_femtojoules", \.sramByteFemtojoules, 0...1_000_000_000, "per byte of SRAM"),
    MachineNumber("dram_byte_femtojoules", \.dramByteFemtojoules, 0...1_000_000_000, "per byte of DRAM"),
    MachineNumber(
      "vector_femtojoules", \.vectorFemtojoules, 0...1_000_000_000, "per element of a vector step"),
    MachineNumber("tdp_milliwatts", \.tdpMilliwatts, 1...1_000_000_000, "that the card may draw"),
  ]

  /// The key of the list of types that the tensor unit multiplies.
  public static let contractionTypesKey = "contraction_types"
}
