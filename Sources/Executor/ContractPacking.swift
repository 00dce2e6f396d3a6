import CKernels
import KernelIR
import Support
import Tensors

/// The packed operand of a contraction: panels for every slice (a point of the parallel axes that it has
/// beside the columns), and for bytes the sums of the weights of each tap.
final class PackedOperand: Sendable {
  let memory: AlignedMemory
  let sliceBytes: Int
  /// [slice][tap][column], of the bytes as signed numbers; of depthwise kernels [slice][channel].
  let sums: [Int32]

  init(_ memory: AlignedMemory, sliceBytes: Int, sums: [Int32]) {
    self.memory = memory
    self.sliceBytes = sliceBytes
    self.sums = sums
  }
}

/// How to pack it.
struct ContractPacking: Sendable {
  let kind: ContractKind
  let isDepthwise: Bool
  let prepared: PreparedOperand
  let columns: Int
  let columnStep: Int
  /// In elements, of each tap.
  let tapOffsets: [Int64]
  let run: Int
  let step: Int
  /// In elements, of each slice.
  let sliceOffsets: [Int]
  /// Turns unsigned bytes into signed ones.
  let flip: UInt8
  /// Of depthwise weights as signed bytes: each adds every tap once more, with this weight. That is how zero
  /// points of weights come in.
  let extraWeights: [Int8]

  /// What `furc_pack_depthwise_i8` packs.
  private var depthwiseTaps: Int { tapOffsets.count * (1 + extraWeights.count) }

  private func packedCount() throws(Diagnostic) -> Int {
    let (columns, taps, run) = (Int64(columns), Int64(tapOffsets.count), Int64(run))
    let count =
      switch (kind, isDepthwise) {
      case (.f32, true): columns.multipliedReportingOverflow(by: taps).overflow ? -1 : columns * taps
      case (.i8, true): furc_packed_depthwise_i8(columns, Int64(depthwiseTaps))
      case (.f32, false): furc_packed_f32(columns, taps, run)
      case (.f64, _): furc_packed_f64(columns, taps, run)
      case (.i8, false): furc_packed_i8(columns, taps, run)
      }
    let (bytes, overflow) = Int(count).multipliedReportingOverflow(by: kind.size)
    guard count >= 0, !overflow else {
      throw Diagnostic(.sizeOverflow, "\(columns) columns of \(taps) · \(run) elements are too many to pack")
    }
    return bytes
  }

  /// A constant, which need not be aligned.
  func pack(_ tensor: Tensor, _ context: RunContext) throws(Diagnostic) -> PackedOperand {
    // A copy depends on more than the key tells.
    guard let shared = context.shared, prepared.isInPlace else { return try packAlone(tensor, context) }
    let key = PackedConstants.Key(
      storage: ObjectIdentifier(tensor.storage), offset: tensor.offset, kind: kind, isDepthwise: isDepthwise,
      columns: columns, columnStep: columnStep, tapOffsets: tapOffsets, run: run, step: step,
      sliceOffsets: sliceOffsets, flip: flip, extraWeights: extraWeights)
    if let known = shared.packed(key) { return known }
    let packed = try packAlone(tensor, context)
    shared.keep(packed, key, tensor.storage)
    return packed
  }

  private func packAlone(_ tensor: Tensor, _ context: RunContext) throws(Diagnostic) -> PackedOperand {
    if let base = tensor.bytes.baseAddress, prepared.isInPlace, !isDepthwise, kind != .f64 {
      defer { withExtendedLifetime(tensor) {} }
      return try pack(base, context)
    }
    let aligned = AlignedTensor(tensor)
    defer { withExtendedLifetime(aligned) {} }
    return try pack(aligned.base, context)
  }

  func pack(_ argument: UnsafeRawPointer, _ context: RunContext) throws(Diagnostic) -> PackedOperand {
    let (base, owner) = try prepared.memory(argument, context)
    let sliceBytes = (try packedCount() + 63) / 64 * 64
    let memory = AlignedMemory(sliceBytes * sliceOffsets.count)
    let perSlice = kind == .i8 ? columns * (isDepthwise ? 1 : tapOffsets.count) : 0
    let sums = [Int32](unsafeUninitializedCapacity: perSlice * sliceOffsets.count) { sums, initialized in
      initialized = perSlice * sliceOffsets.count
      nonisolated(unsafe) let sums = sums.baseAddress
      nonisolated(unsafe) let base = base
      Parallel.forEach(sliceOffsets.count, threads: context.threads) { slice in
        packSlice(
          base + sliceOffsets[slice] * kind.size, memory.base + slice * sliceBytes,
          sums.map { $0 + slice * perSlice })
      }
    }
    withExtendedLifetime(owner) {}
    return PackedOperand(memory, sliceBytes: sliceBytes, sums: sums)
  }

  private func packSlice(
    _ base: UnsafeRawPointer, _ packed: UnsafeMutableRawPointer, _ sums: UnsafeMutablePointer<Int32>?
  ) {
    tapOffsets.withUnsafeBufferPointer { taps in
      var source = furc_pack_source(
        b: base, columns: Int64(columns), column_step: Int64(columnStep), tap_offset: taps.baseAddress,
        taps: Int64(taps.count), run: Int64(run), step: Int64(step))
      switch (kind, isDepthwise) {
      case (.f32, true):
        let (from, to) = (
          base.assumingMemoryBound(to: Float.self), packed.assumingMemoryBound(to: Float.self)
        )
        for (tap, offset) in taps.enumerated() {
          for channel in 0..<columns {
            to[tap * columns + channel] = from[Int(offset) + channel * columnStep]
          }
        }
      case (.i8, true):
        packDepthwise(base, packed.assumingMemoryBound(to: Int8.self), sums)
      case (.f32, false): furc_pack_f32(&source, packed.assumingMemoryBound(to: Float.self))
      case (.f64, _): furc_pack_f64(&source, packed.assumingMemoryBound(to: Double.self))
      case (.i8, false): furc_pack_i8(&source, flip, packed.assumingMemoryBound(to: Int8.self), sums)
      }
    }
  }

  private func packDepthwise(
    _ base: UnsafeRawPointer, _ packed: UnsafeMutablePointer<Int8>, _ sums: UnsafeMutablePointer<Int32>?
  ) {
    let weights = base.assumingMemoryBound(to: UInt8.self)
    var dense: [UInt8] = []
    dense.reserveCapacity(depthwiseTaps * columns)
    for offset in tapOffsets {
      for channel in 0..<columns { dense.append(weights[Int(offset) + channel * columnStep] ^ flip) }
    }
    for extra in extraWeights {
      dense += [UInt8](repeating: UInt8(bitPattern: extra), count: tapOffsets.count * columns)
    }
    let offsets = (0..<depthwiseTaps).map { Int64($0 * columns) }
    dense.withUnsafeBytes { dense in
      offsets.withUnsafeBufferPointer { offsets in
        var source = furc_pack_source(
          b: dense.baseAddress, columns: Int64(columns), column_step: 1, tap_offset: offsets.baseAddress,
          taps: Int64(offsets.count), run: 1, step: 0)
        furc_pack_depthwise_i8(&source, 0, packed, sums)
      }
    }
  }
}
