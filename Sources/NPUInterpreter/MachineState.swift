import CKernels
import Glibc
import Machine
import NPUISA
import Support

/// Bytes that are zero until they are written; pages that nobody touches take no memory.
final class Bytes: @unchecked Sendable {
  let base: UnsafeMutableRawPointer
  let count: Int

  /// Bytes behind the end that may be read and written, so that kernels may work in whole vectors.
  static let slack = 64

  /// - Throws: `malformedInstruction` for a size that the host cannot map.
  init(_ count: Int, _ what: String) throws(Diagnostic) {
    guard count >= 0, count < 1 << 40, let memory = calloc(count + Self.slack, 1) else {
      throw Diagnostic(.unsupportedFile, "\(what) of \(count) bytes does not fit into the host's memory")
    }
    base = memory
    self.count = count
  }

  deinit { free(base) }
}

/// What the memories of a slice machine hold. DRAM and SRAM are bytes; the register file has a 32-bit word for
/// each byte of a packet (the widened element), the other files their words and cells.
final class MachineState: @unchecked Sendable {
  let machine: SliceMachine
  let dram: Bytes
  /// Slice s from s · `sramBytesPerSlice` on.
  let sram: Bytes
  let registers: Bytes
  /// Units of the register file that hold i8, eight a block (`furc_npu_quads.h`).
  private let quads: Bytes?
  private let isQuads: Bytes
  let vectors: Bytes
  let tables: Bytes
  let cells: Bytes

  let unitsPerSlice: Int
  let wordsPerUnit: Int
  let vectorWords: Int
  let tableWords: Int
  let cellCount: Int

  init(_ machine: SliceMachine, dramBytes: Int) throws(Diagnostic) {
    self.machine = machine
    guard dramBytes >= 0, dramBytes <= machine.dramBytes else {
      throw Diagnostic(
        .addressRange, "the program uses \(dramBytes) bytes of DRAM, \(machine.name) has \(machine.dramBytes)"
      )
    }
    let slices = machine.slices
    guard slices > 0, slices <= 1 << 16, machine.packetBytes > 0, machine.packetBytes <= 4096 else {
      throw Diagnostic(
        .invalidProgram, "\(machine.name) has \(slices) slices, \(machine.packetBytes)-byte packets")
    }
    func size(_ perSlice: Int, _ unit: Int) throws(Diagnostic) -> Int {
      guard perSlice >= 0, perSlice < 1 << 34 else {
        throw Diagnostic(.sizeOverflow, "a memory of \(perSlice) entries a slice")
      }
      return perSlice * unit * slices
    }
    unitsPerSlice = machine.registerFileBytes / machine.packetBytes
    wordsPerUnit = machine.packetBytes
    vectorWords = machine.vectorRegisterBytes / 4
    tableWords = machine.tableSlots * 256
    cellCount = machine.accumulators
    dram = try Bytes(dramBytes, "DRAM")
    sram = try Bytes(try size(machine.sramBytesPerSlice, 1), "SRAM")
    registers = try Bytes(try size(unitsPerSlice * wordsPerUnit, 4), "a register file")
    quads =
      machine.packetBytes == Int(FURC_NPU_UNIT)
      ? try Bytes(try size(unitsPerSlice, machine.packetBytes), "a register file") : nil
    isQuads = try Bytes(try size(unitsPerSlice / 8 + 1, 1), "a register file")
    vectors = try Bytes(try size(vectorWords, 4), "vector registers")
    tables = try Bytes(try size(tableWords, 4), "tables")
    cells = try Bytes(try size(cellCount, 8), "accumulators")
  }

  func sram(_ slice: Int) -> UnsafeMutableRawPointer { sram.base + slice * machine.sramBytesPerSlice }

  func registers(_ slice: Int) -> UnsafeMutablePointer<UInt32> {
    (registers.base + slice * unitsPerSlice * wordsPerUnit * 4).assumingMemoryBound(to: UInt32.self)
  }

  /// - Precondition: packets have `FURC_NPU_UNIT` bytes.
  func quads(_ slice: Int) -> UnsafeMutablePointer<UInt8> {
    guard let quads else { preconditionFailure("packets of \(machine.packetBytes) bytes") }
    return (quads.base + slice * unitsPerSlice * Int(FURC_NPU_UNIT)).assumingMemoryBound(to: UInt8.self)
  }

  /// What says something of a block of eight units.
  private enum Holding: UInt8 {
    case words
    case bytes
    case both
  }

  private func holding(_ slice: Int, _ block: Int) -> Holding {
    Holding(rawValue: isQuads(slice)[block]) ?? .words
  }

  private func hold(_ holding: Holding, _ slice: Int, _ block: Int) {
    isQuads(slice)[block] = holding.rawValue
  }

  private func isQuads(_ slice: Int) -> UnsafeMutablePointer<UInt8> {
    (isQuads.base + slice * (unitsPerSlice / 8 + 1)).assumingMemoryBound(to: UInt8.self)
  }

  /// Blocks that hold the whole register file.
  var allBlocks: Range<Int> { 0..<(unitsPerSlice / 8) }

  func holdsQuads(_ slice: Int, _ blocks: Range<Int>) -> Bool {
    blocks.allSatisfy { holding(slice, $0) != .words }
  }

  /// Says that blocks were written as bytes.
  func setQuads(_ slice: Int, _ blocks: Range<Int>) {
    for block in blocks { hold(.bytes, slice, block) }
  }

  /// Makes bytes of a block, so that some of its units may be written as bytes.
  /// - Returns: false where its words do not fit.
  func packQuads(_ slice: Int, _ block: Int) -> Bool {
    guard holding(slice, block) == .words else { return true }
    return furc_npu_pack_quads(
      registers(slice) + block * 8 * wordsPerUnit, quads(slice) + block * Int(FURC_NPU_BLOCK)) != 0
  }

  /// Makes words of blocks, which stay bytes as well.
  func spreadQuads(_ slice: Int, _ blocks: Range<Int>) {
    guard quads != nil else { return }
    for block in blocks.clamped(to: allBlocks) where holding(slice, block) == .bytes {
      furc_npu_spread_quads(
        quads(slice) + block * Int(FURC_NPU_BLOCK), registers(slice) + block * 8 * wordsPerUnit)
      hold(.both, slice, block)
    }
  }

  /// Makes words of blocks, some of which will be written.
  func dropQuads(_ slice: Int, _ blocks: Range<Int>) {
    guard quads != nil else { return }
    spreadQuads(slice, blocks)
    for block in blocks.clamped(to: allBlocks) { hold(.words, slice, block) }
  }

  func vectors(_ slice: Int) -> UnsafeMutablePointer<UInt32> {
    (vectors.base + slice * vectorWords * 4).assumingMemoryBound(to: UInt32.self)
  }

  func tables(_ slice: Int) -> UnsafeMutablePointer<UInt32> {
    (tables.base + slice * tableWords * 4).assumingMemoryBound(to: UInt32.self)
  }

  func cells(_ slice: Int) -> UnsafeMutablePointer<Int64> {
    (cells.base + slice * cellCount * 8).assumingMemoryBound(to: Int64.self)
  }

  /// The host's address of `count` bytes of a place that DMA names.
  /// - Throws: `addressRange` where they leave the memory or cross into another slice's window.
  func address(_ memory: DMAInstruction.Memory, _ address: Int64, _ count: Int) throws(Diagnostic)
    -> UnsafeMutableRawPointer
  {
    switch memory {
    case .dram:
      guard address >= 0, address <= Int64(dram.count - count) else {
        throw Diagnostic(.addressRange, "DMA touches DRAM bytes \(address) ..< +\(count) of \(dram.count)")
      }
      return dram.base + Int(address)
    case .sram:
      let window = Int64(machine.sramWindowBytes)
      let slice = address / window
      let offset = address % window
      guard address >= 0, slice < machine.slices, offset <= machine.sramBytesPerSlice - count else {
        throw Diagnostic(
          .addressRange,
          "DMA touches SRAM bytes \(address) ..< +\(count): offset \(offset) of slice \(slice) of \(machine.slices)"
        )
      }
      return sram(Int(slice)) + Int(offset)
    }
  }
}
