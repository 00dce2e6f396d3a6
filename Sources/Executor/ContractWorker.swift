import CKernels
import KernelIR
import Support

/// Memory of one thread.
final class ContractWorker {
  let post: PostProgram.Scratch
  private var memory = AlignedMemory(0)
  private var offsets: [Int64] = []
  private var rowSums: [Int32] = []

  init(_ post: PostProgram) { self.post = PostProgram.Scratch(post) }

  func sums(_ bytes: Int) -> UnsafeMutableRawPointer {
    if memory.count < bytes { memory = AlignedMemory(bytes) }
    return memory.base
  }

  /// Valid until the next call.
  func results(_ rows: ArraySlice<Int64>, scale: Int64) -> UnsafePointer<Int64> {
    if resultMemory.count < rows.count * 8 { resultMemory = AlignedMemory(rows.count * 8) }
    let out = resultMemory.base.assumingMemoryBound(to: Int64.self)
    for (index, row) in rows.enumerated() { out[index] = row * scale }
    return UnsafePointer(out)
  }
  private var resultMemory = AlignedMemory(0)

  /// Copies rows of so many bytes side by side. Valid until the next call.
  func stage(
    _ staged: StagedRows, _ base: UnsafeRawPointer, _ offsets: ArraySlice<Int64>, bytes: Int, size: Int
  ) -> UnsafeRawPointer {
    let pitch = staged.pitch * size
    if stagedMemory.count < offsets.count * pitch { stagedMemory = AlignedMemory(offsets.count * pitch) }
    for (row, offset) in offsets.enumerated() {
      (stagedMemory.base + row * pitch).copyMemory(from: base + Int(offset) * size, byteCount: bytes)
    }
    return UnsafeRawPointer(stagedMemory.base)
  }
  private var stagedMemory = AlignedMemory(0)

  /// Σ (x - zx)(w - zw) = Σ (x - zx) w - zw Σ (x - zx).
  func subtractZero(_ job: inout furc_contract_job, _ zeros: (streamed: Int32, packed: Int32)) {
    rowSums = [Int32](repeating: 0, count: Int(job.rows))
    furc_contract_row_sums(&job, &rowSums)
    let all = Int32(truncatingIfNeeded: job.taps * job.run) &* zeros.streamed
    for row in rowSums.indices { rowSums[row] &-= all }
    let columns = [Int32](repeating: zeros.packed, count: Int(job.columns))
    furc_contract_subtract_outer(&job, rowSums, columns)
  }
}

/// Where sums of bytes start: the part of the zero point of the streamed operand, per slice, list of taps and
/// column.
struct InitialSums: Sendable {
  private let values: [Int32]
  private let lists: Int
  private let columns: Int

  init(
    _ kind: ContractKind, _ packed: PackedOperand, _ packing: ContractPacking, _ rows: ContractRows,
    zero: Int32
  ) {
    columns = packing.columns
    lists = packing.isDepthwise ? 1 : rows.lists.count
    guard kind == .i8 else {
      values = []
      return
    }
    if packing.isDepthwise {
      values = packed.sums.map { 0 &- zero &* $0 }
      return
    }
    let taps = packing.tapOffsets.count
    var values = [Int32](repeating: 0, count: packing.sliceOffsets.count * lists * columns)
    packed.sums.withUnsafeBufferPointer { sums in
      values.withUnsafeMutableBufferPointer { values in
        for slice in packing.sliceOffsets.indices {
          for (number, list) in rows.lists.enumerated() {
            let out = (slice * rows.lists.count + number) * packing.columns
            for tap in list.indices {
              let from = (slice * taps + Int(tap)) * packing.columns
              for column in 0..<packing.columns { values[out + column] &-= zero &* sums[from + column] }
            }
          }
        }
      }
    }
    self.values = values
  }

  func withColumns(_ slice: Int, _ list: Int, _ column: Int, _ body: (UnsafePointer<Int32>?) -> Void) {
    values.withUnsafeBufferPointer { values in
      body(values.baseAddress.map { $0 + (slice * lists + list) * columns + column })
    }
  }
}
