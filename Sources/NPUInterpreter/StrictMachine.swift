import KernelIR
import Machine
import NPUISA
import Support
import Tensors

/// The memories of a machine, for shadows and writes.
enum MemoryName: Int, CaseIterable {
  case dram, sram, registers, vectors, tables, cells
}

/// A write that lands when its instruction completes.
struct PendingWrite {
  var memory: MemoryName
  var slice: Int32
  /// Bytes of DRAM or SRAM, else 1 entry.
  var count: Int32
  var entry: Int
  var bits: UInt64
}

/// Memories with their shadows, and what was found wrong.
final class StrictMachine {
  let state: MachineState
  let machine: SliceMachine
  private let shadows: [Shadow]
  var findings = Findings()
  /// Of the current run: 2 … 255.
  var epoch: UInt8 = 1

  /// Without shadows: nothing is found, walks only compute.
  init(unobserved state: MachineState) {
    self.state = state
    machine = state.machine
    shadows = []
  }

  init(_ state: MachineState) throws(Diagnostic) {
    self.state = state
    machine = state.machine
    let contexts = 2 + machine.dmaEngines
    guard contexts <= 16 else {
      throw Diagnostic(.unsupportedFile, "the strict interpreter follows at most 14 DMA engines")
    }
    let slices = machine.slices
    shadows = [
      try Shadow("DRAM", slices: 1, perSlice: state.dram.count, contexts: contexts),
      try Shadow("SRAM", slices: slices, perSlice: machine.sramBytesPerSlice, contexts: contexts),
      try Shadow(
        "register file word", slices: slices, perSlice: state.unitsPerSlice * state.wordsPerUnit,
        contexts: contexts),
      try Shadow("vector register", slices: slices, perSlice: state.vectorWords, contexts: contexts),
      try Shadow("table word", slices: slices, perSlice: state.tableWords, contexts: contexts),
      try Shadow("cell", slices: slices, perSlice: state.cellCount, contexts: contexts),
    ]
  }

  func shadow(_ memory: MemoryName) -> Shadow { shadows[memory.rawValue] }

  /// A run begins: what earlier runs wrote counts as undefined.
  func beginRun() {
    if epoch == 255 {
      for memory in [MemoryName.dram, .sram] { shadow(memory).forgetRuns() }
      epoch = 1
    }
    epoch += 1
    // The load program may have left words in these; no run may use them.
    for memory in [MemoryName.registers, .vectors, .tables, .cells] { shadow(memory).forgetAll() }
  }

  @inline(__always)
  func read(_ memory: MemoryName, _ slice: Int, _ entry: Int, _ count: Int, _ who: Issuer) {
    guard !shadows.isEmpty else { return }
    let shadow = shadows[memory.rawValue]
    if let fault = shadow.read(slice, entry, count, by: who.context, epoch: epoch) {
      report(fault, shadow, slice, entry, who)
    }
  }

  private func report(_ fault: Shadow.Fault, _ shadow: Shadow, _ slice: Int, _ entry: Int, _ who: Issuer) {
    let place = shadow.name == "DRAM" ? "DRAM \(entry)" : "\(shadow.name) \(entry) of slice \(slice)"
    findings.add(
      fault.kind, who.context, who.position,
      "\(fault.phrase): \(place), last written by \(shadow.lastWriter(slice, entry))")
  }

  func begin(_ writes: [PendingWrite], _ who: Issuer) {
    for write in writes {
      let shadow = shadows[write.memory.rawValue]
      if let fault = shadow.beginWrite(Int(write.slice), write.entry, Int(write.count), by: who.context) {
        report(fault, shadow, Int(write.slice), write.entry, who)
      }
    }
  }

  func land(_ writes: [PendingWrite], _ who: Issuer) {
    let author = author(who)
    for write in writes {
      shadows[write.memory.rawValue].endWrite(
        Int(write.slice), write.entry, Int(write.count), by: who.context, as: epoch, who: author)
    }
    store(writes)
    endReads(who)
  }

  func store(_ writes: [PendingWrite]) {
    for write in writes {
      let slice = Int(write.slice)
      switch write.memory {
      case .dram: Self.store(write, state.dram.base + write.entry)
      case .sram: Self.store(write, state.sram(slice) + write.entry)
      case .registers: state.registers(slice)[write.entry] = UInt32(truncatingIfNeeded: write.bits)
      case .vectors: state.vectors(slice)[write.entry] = UInt32(truncatingIfNeeded: write.bits)
      case .tables: state.tables(slice)[write.entry] = UInt32(truncatingIfNeeded: write.bits)
      case .cells: state.cells(slice)[write.entry] = Int64(bitPattern: write.bits)
      }
    }
  }

  func endReads(_ who: Issuer) {
    for shadow in shadows { shadow.endReads(by: who.context) }
  }

  func begin(_ memory: MemoryName, _ slice: Int, _ entry: Int, _ count: Int, _ who: Issuer) {
    let shadow = shadows[memory.rawValue]
    if let fault = shadow.beginWrite(slice, entry, count, by: who.context) {
      report(fault, shadow, slice, entry, who)
    }
  }

  func end(_ memory: MemoryName, _ slice: Int, _ entry: Int, _ count: Int, _ who: Issuer) {
    shadows[memory.rawValue].endWrite(
      slice, entry, count, by: who.context, as: epoch, who: author(who))
  }

  private func author(_ who: Issuer) -> UInt32 {
    UInt32(who.context) << 20 | UInt32(who.position & 0xFFFFF) &+ 1
  }

  private static func store(_ write: PendingWrite, _ address: UnsafeMutableRawPointer) {
    withUnsafeBytes(of: write.bits.littleEndian) { bytes in
      address.copyMemory(from: bytes.baseAddress ?? UnsafeRawPointer(address), byteCount: Int(write.count))
    }
  }
}

/// The instruction on whose behalf something is read or written.
struct Issuer {
  var context: Int
  var position: Int
}

/// The indices of some loops of a nest, outermost first, counting through all of them.
struct Odometer {
  let loops: [Int]
  let sizes: [Int]
  private var isFresh = true

  init(_ loops: [Int], _ sizes: [Int]) {
    self.loops = loops
    self.sizes = sizes
  }

  /// Steps to the next indices, which stand in `index` by loop. - Returns: false behind the last.
  mutating func next(_ index: inout [Int]) -> Bool {
    if isFresh {
      isFresh = false
      for loop in loops { index[loop] = 0 }
      return true
    }
    for loop in loops.reversed() {
      index[loop] += 1
      if index[loop] < sizes[loop] { return true }
      index[loop] = 0
    }
    return false
  }
}
