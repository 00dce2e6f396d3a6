// swift-format-ignore-file
// Made from Targets/*.yaml by Tools/embed-targets; do not edit.

let builtinTargets: [(name: String, yaml: String)] = [
  ("warboy", #"""
name: warboy
family: npu
summary: one processing element of FuriosaAI's first NPU, 64 slices, INT8
machine:
  clock_hz: {value: 2000000000, source: published, reason: "2.0 GHz in the vendor's data sheet; agrees with 64 TOPS and 128 MAC per slice"}
  ticks_per_cycle: {value: 33, source: derived, reason: "makes the time of one DRAM access, 256 B at 26.4 B per cycle, a whole number"}
  slices: {value: 64, source: published, reason: "num_slices of the vendor's compiler configuration, one processing element"}
  sram_bytes_per_slice: {value: 262144, source: published, reason: "size_actual_sram_slice; 64 of them are the 16 MiB of a processing element"}
  sram_window_bytes: {value: 1048576, source: published, reason: "address space of a slice in the vendor's compiler configuration"}
  dram_bytes: {value: 17179869184, source: published, reason: "16 GiB LPDDR4X, as the vendor's compiler configuration has it"}
  lanes: {value: 8, source: chosen, reason: "128 MAC per slice are published as 32 x 4; 8 x 16 keeps the full rate at reuse 1 and drains 8 wide"}
  packet_bytes: {value: 16, source: chosen, reason: "128 int8 MAC per slice and cycle over 8 lanes"}
  flit_bytes: {value: 16, source: derived, reason: "fetch_network_width of the vendor's compiler configuration, read as bytes per hop and cycle"}
  register_file_bytes: {value: 8192, source: published, reason: "register_file_size of the vendor's compiler configuration; bytes inferred from RNGD"}
  vector_register_bytes: {value: 8192, source: chosen, reason: "as published for RNGD: 2048 words, so 1024 channels of two operands"}
  table_slots: {value: 2, source: derived, reason: "num_table_ports of the vendor's compiler configuration, one table behind each"}
  accumulators: {value: 1024, source: chosen, reason: "as published for RNGD; 256 would cost ResNet-50 half a percent"}
  fetch_main_bytes_per_cycle: {value: 16, source: derived, reason: "fetch_network_width: the port feeds the network at its rate"}
  fetch_sub_bytes_per_cycle: {value: 8, source: derived, reason: "sram_access_width, and the sub context's rate on RNGD"}
  commit_main_bytes_per_cycle: {value: 16, source: chosen, reason: "one flit per cycle, as on RNGD where both are 32 B"}
  commit_sub_bytes_per_cycle: {value: 8, source: chosen, reason: "sram_access_width, and the sub context's rate on RNGD"}
  vector_ways_integer: {value: 8, source: chosen, reason: "as published for RNGD: eight i32 elements per cycle"}
  vector_ways_float: {value: 4, source: chosen, reason: "f32 stages at half the width, as published for RNGD"}
  vector_ways_reduce: {value: 4, source: chosen, reason: "as published for RNGD's reductions inside a slice"}
  issue_main_cycles: {value: 264, source: chosen, reason: "measured on RNGD; a published Transpose of 250 ns bounds it by 500, and the mean instruction fits"}
  issue_sub_cycles: {value: 263, source: chosen, reason: "measured on RNGD"}
  vector_latency_cycles: {value: 16, source: chosen, reason: "fits the measured intervals of RNGD's vector engine"}
  hop_cycles: {value: 2, source: published, reason: "hop_cycles and gat_hop_cycles of the vendor's compiler configuration"}
  dma_engines: {value: 1, source: chosen, reason: "one per processing element, as RNGD's tensor DMA"}
  dma_startup_cycles: {value: 1000, source: chosen, reason: "the 0.5 us of RNGD at 2 GHz"}
  dma_bytes_per_cycle: {value: 128, source: chosen, reason: "half of RNGD's 256 B, as the machine has half the width elsewhere"}
  dma_run_cycles: {value: 5, source: chosen, reason: "fits RNGD's copies of short rows"}
  dram_granule_bytes: {value: 256, source: chosen, reason: "the request that RNGD's DMA splits packets into"}
  dram_granule_ticks: {value: 320, source: derived, reason: "256 B at 66 GB/s (33 B per cycle, published) and 80 % efficiency, as measured on RNGD and in multi-stream runs"}
  dram_partial_write_ticks: {value: 320, source: chosen, reason: "an access that is written in part is read first"}
  launch_nanoseconds: {value: 11000, source: derived, reason: "NPU Total less NPU Run of the vendor's published profile"}
  link_bytes_per_second: {value: 12000000000, source: derived, reason: "PCIe 4.0 x8 (published), less protocol"}
  host_elements_per_second: {value: 250000000, source: derived, reason: "published: 60.6 ms for YOLOX-L's 640 x 640 x 3 float input is 20 M/s on one core; a vectorised host chosen"}
  mac_femtojoules: {value: 151, source: derived, reason: "0.30 pJ at 45 nm and 0.10 pJ at 7 nm, interpolated geometrically to 14 nm"}
  sram_byte_femtojoules: {value: 2500, source: derived, reason: "256 KiB between published sizes, and 14 nm between 45 and 7 nm, interpolated geometrically"}
  dram_byte_femtojoules: {value: 40000, source: chosen, reason: "5 pJ per bit: no citable figure for LPDDR4X, between HBM2 and GDDR6"}
  vector_femtojoules: {value: 1950, source: derived, reason: "a 32-bit multiplication, interpolated geometrically to 14 nm"}
  tdp_milliwatts: {value: 60000, source: published, reason: "40 to 60 W configurable; the upper end"}
  contraction_types: {value: [i8, u8], source: published, reason: "INT8 arithmetic only"}

"""#),
  ("warboy-2pe", #"""
name: warboy-2pe
family: npu
summary: both processing elements of FuriosaAI's first NPU fused, 128 slices, INT8
machine:
  clock_hz: {value: 2000000000, source: published, reason: "2.0 GHz in the vendor's data sheet; agrees with 64 TOPS and 128 MAC per slice"}
  ticks_per_cycle: {value: 33, source: derived, reason: "makes the time of one DRAM access, 256 B at 26.4 B per cycle, a whole number"}
  slices: {value: 128, source: published, reason: "num_slices of the fused pair in the vendor's compiler configuration"}
  sram_bytes_per_slice: {value: 262144, source: published, reason: "size_actual_sram_slice; 64 of them are the 16 MiB of a processing element"}
  sram_window_bytes: {value: 1048576, source: published, reason: "address space of a slice in the vendor's compiler configuration"}
  dram_bytes: {value: 17179869184, source: published, reason: "16 GiB LPDDR4X, as the vendor's compiler configuration has it"}
  lanes: {value: 8, source: chosen, reason: "128 MAC per slice are published as 32 x 4; 8 x 16 keeps the full rate at reuse 1 and drains 8 wide"}
  packet_bytes: {value: 16, source: chosen, reason: "128 int8 MAC per slice and cycle over 8 lanes"}
  flit_bytes: {value: 16, source: derived, reason: "fetch_network_width of the vendor's compiler configuration, read as bytes per hop and cycle"}
  register_file_bytes: {value: 8192, source: published, reason: "register_file_size of the vendor's compiler configuration; bytes inferred from RNGD"}
  vector_register_bytes: {value: 8192, source: chosen, reason: "as published for RNGD: 2048 words, so 1024 channels of two operands"}
  table_slots: {value: 2, source: derived, reason: "num_table_ports of the vendor's compiler configuration, one table behind each"}
  accumulators: {value: 1024, source: chosen, reason: "as published for RNGD; 256 would cost ResNet-50 half a percent"}
  fetch_main_bytes_per_cycle: {value: 16, source: derived, reason: "fetch_network_width: the port feeds the network at its rate"}
  fetch_sub_bytes_per_cycle: {value: 8, source: derived, reason: "sram_access_width, and the sub context's rate on RNGD"}
  commit_main_bytes_per_cycle: {value: 16, source: chosen, reason: "one flit per cycle, as on RNGD where both are 32 B"}
  commit_sub_bytes_per_cycle: {value: 8, source: chosen, reason: "sram_access_width, and the sub context's rate on RNGD"}
  vector_ways_integer: {value: 8, source: chosen, reason: "as published for RNGD: eight i32 elements per cycle"}
  vector_ways_float: {value: 4, source: chosen, reason: "f32 stages at half the width, as published for RNGD"}
  vector_ways_reduce: {value: 4, source: chosen, reason: "as published for RNGD's reductions inside a slice"}
  issue_main_cycles: {value: 264, source: chosen, reason: "measured on RNGD; a published Transpose of 250 ns bounds it by 500, and the mean instruction fits"}
  issue_sub_cycles: {value: 263, source: chosen, reason: "measured on RNGD"}
  vector_latency_cycles: {value: 16, source: chosen, reason: "fits the measured intervals of RNGD's vector engine"}
  hop_cycles: {value: 2, source: published, reason: "hop_cycles and gat_hop_cycles of the vendor's compiler configuration"}
  dma_engines: {value: 2, source: chosen, reason: "one per processing element, as RNGD's tensor DMA"}
  dma_startup_cycles: {value: 1000, source: chosen, reason: "the 0.5 us of RNGD at 2 GHz"}
  dma_bytes_per_cycle: {value: 128, source: chosen, reason: "half of RNGD's 256 B, as the machine has half the width elsewhere"}
  dma_run_cycles: {value: 5, source: chosen, reason: "fits RNGD's copies of short rows"}
  dram_granule_bytes: {value: 256, source: chosen, reason: "the request that RNGD's DMA splits packets into"}
  dram_granule_ticks: {value: 320, source: derived, reason: "256 B at 66 GB/s (33 B per cycle, published) and 80 % efficiency, as measured on RNGD and in multi-stream runs"}
  dram_partial_write_ticks: {value: 320, source: chosen, reason: "an access that is written in part is read first"}
  launch_nanoseconds: {value: 11000, source: derived, reason: "NPU Total less NPU Run of the vendor's published profile"}
  link_bytes_per_second: {value: 12000000000, source: derived, reason: "PCIe 4.0 x8 (published), less protocol"}
  host_elements_per_second: {value: 250000000, source: derived, reason: "published: 60.6 ms for YOLOX-L's 640 x 640 x 3 float input is 20 M/s on one core; a vectorised host chosen"}
  mac_femtojoules: {value: 151, source: derived, reason: "0.30 pJ at 45 nm and 0.10 pJ at 7 nm, interpolated geometrically to 14 nm"}
  sram_byte_femtojoules: {value: 2500, source: derived, reason: "256 KiB between published sizes, and 14 nm between 45 and 7 nm, interpolated geometrically"}
  dram_byte_femtojoules: {value: 40000, source: chosen, reason: "5 pJ per bit: no citable figure for LPDDR4X, between HBM2 and GDDR6"}
  vector_femtojoules: {value: 1950, source: derived, reason: "a 32-bit multiplication, interpolated geometrically to 14 nm"}
  tdp_milliwatts: {value: 60000, source: published, reason: "40 to 60 W configurable; the upper end"}
  contraction_types: {value: [i8, u8], source: published, reason: "INT8 arithmetic only"}

"""#),
  ("tiny-npu", #"""
name: tiny-npu
family: npu
summary: a small slice machine for exhaustive tests
machine:
  clock_hz: {value: 1000000000, source: chosen, reason: "small, so that tests can walk every case"}
  ticks_per_cycle: {value: 3, source: chosen, reason: "coprime to the time of an access, so that rounding shows"}
  slices: {value: 4, source: chosen, reason: "enough for two digits of a ring"}
  sram_bytes_per_slice: {value: 4096, source: chosen, reason: "small kernels fit and larger ones must be split"}
  sram_window_bytes: {value: 4096, source: chosen, reason: "no gap between slices, so that an address out of a slice lies in the next"}
  dram_bytes: {value: 67108864, source: chosen, reason: "small, so that tests can walk every case"}
  lanes: {value: 8, source: chosen, reason: "small, so that tests can walk every case"}
  packet_bytes: {value: 8, source: chosen, reason: "small, so that tests can walk every case"}
  flit_bytes: {value: 8, source: chosen, reason: "small, so that tests can walk every case"}
  register_file_bytes: {value: 1024, source: chosen, reason: "small, so that tests can walk every case"}
  vector_register_bytes: {value: 512, source: chosen, reason: "small, so that tests can walk every case"}
  table_slots: {value: 2, source: chosen, reason: "small, so that tests can walk every case"}
  accumulators: {value: 128, source: chosen, reason: "small, so that tests can walk every case"}
  fetch_main_bytes_per_cycle: {value: 8, source: chosen, reason: "small, so that tests can walk every case"}
  fetch_sub_bytes_per_cycle: {value: 4, source: chosen, reason: "small, so that tests can walk every case"}
  commit_main_bytes_per_cycle: {value: 8, source: chosen, reason: "small, so that tests can walk every case"}
  commit_sub_bytes_per_cycle: {value: 4, source: chosen, reason: "small, so that tests can walk every case"}
  vector_ways_integer: {value: 8, source: chosen, reason: "small, so that tests can walk every case"}
  vector_ways_float: {value: 4, source: chosen, reason: "small, so that tests can walk every case"}
  vector_ways_reduce: {value: 4, source: chosen, reason: "small, so that tests can walk every case"}
  issue_main_cycles: {value: 4, source: chosen, reason: "small, so that tests can walk every case"}
  issue_sub_cycles: {value: 3, source: chosen, reason: "small, so that tests can walk every case"}
  vector_latency_cycles: {value: 2, source: chosen, reason: "small, so that tests can walk every case"}
  hop_cycles: {value: 1, source: chosen, reason: "small, so that tests can walk every case"}
  dma_engines: {value: 2, source: chosen, reason: "two, so that their order and their turns matter"}
  dma_startup_cycles: {value: 10, source: chosen, reason: "small, so that tests can walk every case"}
  dma_bytes_per_cycle: {value: 16, source: chosen, reason: "small, so that tests can walk every case"}
  dma_run_cycles: {value: 2, source: chosen, reason: "small, so that tests can walk every case"}
  dram_granule_bytes: {value: 16, source: chosen, reason: "small, so that tests can walk every case"}
  dram_granule_ticks: {value: 5, source: chosen, reason: "no whole number of cycles, so that rounding shows"}
  dram_partial_write_ticks: {value: 4, source: chosen, reason: "small, so that tests can walk every case"}
  launch_nanoseconds: {value: 100, source: chosen, reason: "small, so that tests can walk every case"}
  link_bytes_per_second: {value: 1000000000, source: chosen, reason: "small, so that tests can walk every case"}
  host_elements_per_second: {value: 100000000, source: chosen, reason: "small, so that tests can walk every case"}
  mac_femtojoules: {value: 100, source: chosen, reason: "small, so that tests can walk every case"}
  sram_byte_femtojoules: {value: 1000, source: chosen, reason: "small, so that tests can walk every case"}
  dram_byte_femtojoules: {value: 10000, source: chosen, reason: "small, so that tests can walk every case"}
  vector_femtojoules: {value: 1000, source: chosen, reason: "small, so that tests can walk every case"}
  tdp_milliwatts: {value: 1000, source: chosen, reason: "small, so that tests can walk every case"}
  contraction_types: {value: [i8, u8, i4, u4, f8e4m3, bf16, f16, f32], source: chosen, reason: "all, so that every arithmetic is exercised"}

"""#),
]
