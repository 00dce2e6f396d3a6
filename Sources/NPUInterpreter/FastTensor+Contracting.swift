import CKernels
import KernelIR
import Machine
import NPUISA
import Support
import Tensors

// Contractions.
extension FastTensor {
  func contract(
    _ job: inout furc_npu_steps, _ state: MachineState, _ slice: Int, _ x: UnsafeMutableRawPointer,
    _ words: UnsafeMutableRawPointer, _ staged: UnsafeMutableRawPointer
  ) -> Status {
    let units = UnsafePointer(state.registers(plan.first + slice) + firstUnit * state.wordsPerUnit)
    let size = plan.sum == .integer ? 2 : 4
    let weights = UnsafeMutableRawPointer.allocate(byteCount: unitCount * block * size + 64, alignment: 64)
    defer { weights.deallocate() }
    let (perUnit, step, count) = (Int64(state.wordsPerUnit), Int64(unitStep), Int64(unitCount))
    let (lanes, packet) = (Int32(plan.lanes), Int32(plan.packet))
    guard plan.sum == .integer else {
      let w = weights.assumingMemoryBound(to: Float.self)
      furc_npu_pack_f32(units, perUnit, step, count, lanes, packet, w)
      let cells = Kept(
        from: body.accumulate.start == .keep ? state.cells(plan.first + slice) : nil,
        to: body.accumulate.finish == .keep ? staged.assumingMemoryBound(to: Int64.self) : nil)
      return contractFloats(&job, x.assumingMemoryBound(to: Float.self), w, words, cells)
    }
    let w = weights.assumingMemoryBound(to: Int16.self)
    let greatest =
      plan.columns == 1
      ? furc_npu_pack_i16(units, perUnit, step, count, lanes, packet, w)
      : furc_npu_pack_columns_i16(units, perUnit, step, count, lanes, packet, w)
    guard greatest < 1 << 20 else { return .mustWalk }
    // A product is at most 255 · greatest; so many steps fit 32 bits.
    let perStep = 255 * max(Int(greatest), 1) * (plan.packet / plan.columns)
    let chunk = max(Int(Int32.max) / perStep, 1)
    let isSequential = body.accumulate.laneOrder == .sequential
    let isWhole = Int(job.count) <= chunk && body.accumulate.start == .zero && body.accumulate.finish != .keep
    if isSequential, isWhole, plan.columns == plan.packet, plan.packet % 8 == 0 {
      furc_npu_contract_channels_i16(
        &job, x.assumingMemoryBound(to: Int16.self), w, lanes, words.assumingMemoryBound(to: Int32.self),
        level)
      return .done
    }
    let columns =
      isSequential ? UnsafeMutableRawPointer.allocate(byteCount: wordsOfSteps * 4, alignment: 64) : words
    defer { if isSequential { columns.deallocate() } }
    let result = columns.assumingMemoryBound(to: Int32.self)
    let halves = x.assumingMemoryBound(to: Int16.self)
    func run(_ result: UnsafeMutablePointer<Int32>) {
      if plan.columns == 1 {
        furc_npu_contract_i16(&job, halves, w, result, level)
      } else {
        furc_npu_contract_columns_i16(&job, halves, w, result, level)
      }
    }
    let isKept = body.accumulate.finish == .keep
    if isWhole {
      run(result)
    } else {
      var totals = [Int64](repeating: 0, count: wordsOfSteps)
      if body.accumulate.start == .keep {
        let cells = state.cells(plan.first + slice)
        forEachCell { totals[$0] = cells[$1] }
      }
      let (allX, allW, all) = (job.xo, job.wo, Int(job.count))
      var done = 0
      while done < all {
        job.count = Int64(min(chunk, all - done))
        job.xo = allX.map { $0 + done }
        job.wo = allW.map { $0 + done }
        run(result)
        for index in totals.indices { totals[index] &+= Int64(result[index]) }
        done += Int(job.count)
      }
      if isKept {
        let cells = staged.assumingMemoryBound(to: Int64.self)
        forEachCell { cells[$1] = totals[$0] }
        return .done
      }
      for (index, total) in totals.enumerated() {
        guard let value = Int32(exactly: total) else { return .overflow }
        result[index] = value
      }
    }
    if isSequential {
      spread(columns.assumingMemoryBound(to: UInt32.self), words.assumingMemoryBound(to: UInt32.self))
    }
    return .done
  }

  /// Calls `visit` with the place of every cell's sum in [step][column][8 lanes] and its number.
  private func forEachCell(_ visit: (Int, Int) -> Void) {
    for step in 0..<plan.shape.steps {
      for lane in 0..<plan.lanes {
        for column in 0..<plan.columns {
          visit((step * plan.columns + column) * 8 + lane, (step * plan.lanes + lane) * plan.columns + column)
        }
      }
    }
  }

  /// The cells that a contraction carries on from and those that it leaves.
  private struct Kept {
    var from: UnsafeMutablePointer<Int64>?
    var to: UnsafeMutablePointer<Int64>?
  }

  private var wordsOfSteps: Int { plan.shape.steps * plan.columns * 8 }

  private func contractFloats(
    _ job: inout furc_npu_steps, _ x: UnsafePointer<Float>, _ w: UnsafePointer<Float>,
    _ words: UnsafeMutableRawPointer, _ cells: Kept
  ) -> Status {
    // In sequential order there may be more words of columns than of flits.
    let count = wordsOfSteps
    if plan.sum == .chain {
      let sums = UnsafeMutablePointer<Float>.allocate(capacity: count)
      defer { sums.deallocate() }
      sums.initialize(repeating: 0, count: count)
      if let from = cells.from { forEachCell { sums[$0] = Cell.float(from[$1]) } }
      furc_npu_contract_f32(&job, x, w, sums, level)
      if let to = cells.to {
        forEachCell { to[$1] = Int64(sums[$0].bitPattern) }
        return .done
      }
      move(UnsafeMutableRawPointer(sums).assumingMemoryBound(to: UInt32.self), words)
      return .done
    }
    // E4M3 products are multiples of 2^-18 below 2^18: 2^16 of them and a sum below 2^34 stay exact.
    guard Int(job.count) * plan.packet <= 1 << 16 else { return .mustWalk }
    for unit in 0..<(unitCount * block) where w[unit].magnitude > Float8E4M3.largest { return .mustWalk }
    let sums = UnsafeMutablePointer<Double>.allocate(capacity: count)
    defer { sums.deallocate() }
    sums.initialize(repeating: 0, count: count)
    if let from = cells.from {
      var isSmall = true
      forEachCell { place, cell in
        isSmall = isSmall && (from[cell] == Cell.exactNaN || from[cell].magnitude < 1 << 52)
        sums[place] = from[cell] == Cell.exactNaN ? .nan : Double(from[cell]) * 0x1p-18
      }
      guard isSmall else { return .mustWalk }
    }
    furc_npu_contract_f64(&job, x, w, sums, level)
    if let to = cells.to {
      forEachCell { to[$1] = sums[$0].isNaN ? Cell.exactNaN : Int64(sums[$0] * 0x1p18) }
      return .done
    }
    let rounded = UnsafeMutablePointer<UInt32>.allocate(capacity: count)
    defer { rounded.deallocate() }
    for index in 0..<count { rounded[index] = (Float(sums[index]) + 0).canonical.bitPattern }
    move(rounded, words)
    return .done
  }

  private func move(_ columns: UnsafeMutablePointer<UInt32>, _ words: UnsafeMutableRawPointer) {
    let target = words.assumingMemoryBound(to: UInt32.self)
    if body.accumulate.laneOrder == .interleaved {
      target.update(from: columns, count: wordsOfSteps)
    } else {
      spread(columns, target)
    }
  }

  /// From [step][column][8 lanes] to flits of a lane's columns.
  private func spread(_ columns: UnsafeMutablePointer<UInt32>, _ words: UnsafeMutablePointer<UInt32>) {
    let perLane = (plan.columns + 7) / 8
    // A reducer adds whole flits, what lies beyond the columns too.
    words.update(repeating: 0, count: wordsPerSlice)
    for step in 0..<plan.shape.steps {
      for lane in 0..<plan.lanes {
        for column in 0..<plan.columns {
          let flit = lane * perLane + column / 8
          words[(step * flits + flit) * 8 + column % 8] = columns[(step * plan.columns + column) * 8 + lane]
        }
      }
    }
  }
}
