import CKernels
import Machine
import NPUISA
import Support
import Tensors

/// A contraction of i8 with weights that lie in blocks, four elements at once. Its steps are pixels times groups of lanes.
struct QuadProduct {
  let pixels: Int
  private let groups: Int
  /// By pixel and by step of the reduction: numbers of packets where elements may be skipped, else bytes from where the first
  /// packet lies.
  private let xb: [Int32]
  private let xo: [Int32]
  private let wb: [Int32]
  private let wo: [Int32]
  /// Where sums lie: words from pixel to pixel, and by group of lanes.
  struct Layout {
    var row: Int
    var groups: [Int32]
  }

  /// In the order of the steps.
  let steps: Layout
  /// Part by part of what a reducer scatters, each as steps of its own; nil where it scatters pixels, or nothing.
  let parts: Layout?
  /// Of the register file.
  let blocks: Range<Int>
  /// Whether elements may be skipped.
  let maySkip: Bool

  /// Elements that a sum of a slice adds.
  let elements: Int

  /// Sums of so many products stay within 32 bits.
  private static let mostElements = 1 << 16

  init?(_ plan: TensorPlan, _ machine: SliceMachine) {
    let body = plan.body
    let accumulate = body.accumulate
    guard accumulate.kind == .contract, plan.movesBytes(on: machine), plan.columns == 1, plan.lanes == 8,
      [4, 8, 16].contains(plan.packet), accumulate.laneOrder == .interleaved, body.fetch.outside == nil,
      (-128...127).contains(body.fetch.zeroPoint),
      case let elements = plan.reduced.reduce(plan.packet, { $0 * plan.sizes[$1] }),
      elements <= Self.mostElements
    else { return nil }
    self.elements = elements
    let used = plan.nest.filter { plan.sizes[$0] > 1 }
    guard accumulate.registerBase % 8 == 0, used.allSatisfy({ body.loops[$0].registerStride % 8 == 0 }) else {
      return nil
    }
    maySkip = !body.fetch.bounds.isEmpty || body.fetch.validLoop != 255
    guard maySkip ? body.exchange.kind == .forward : plan.fetchStaysInside else { return nil }
    let strides =
      maySkip
      ? plan.packetStrides(plan.shape.fetches) : body.loops.indices.map { plan.byteStride($0, machine) }
    // Groups of lanes use a packet again; pixels use the weights again.
    var rows = plan.retained
    var columns: [Int] = []
    while let last = rows.last, plan.sizes[last] == 1 || strides[last] == 0 {
      rows.removeLast()
      columns.insert(last, at: 0)
    }
    guard rows.allSatisfy({ plan.sizes[$0] == 1 || body.loops[$0].registerStride == 0 }) else { return nil }
    func list(_ loops: [Int], _ stride: (Int) -> Int) -> [Int32] {
      TensorPlan.offsets(loops.map { plan.sizes[$0] }, loops.map(stride))
    }
    func weights(_ loop: Int) -> Int { Int(body.loops[loop].registerStride) * Int(FURC_NPU_UNIT) }
    xb = list(rows) { strides[$0] }
    xo = list(plan.reduced) { strides[$0] }
    let base = Int32(accumulate.registerBase) * Int32(FURC_NPU_UNIT)
    wb = list(columns, weights).map { $0 + base }
    wo = list(plan.reduced, weights)
    (pixels, groups) = (xb.count, wb.count)
    steps = Layout(row: groups * 8, groups: (0..<groups).map { Int32($0 * 8) })
    let scattered = Int(body.reducer.loop)
    if plan.shape.scatter > 1, let place = columns.firstIndex(of: scattered) {
      let inner = columns[(place + 1)...].reduce(8) { $0 * plan.sizes[$1] }
      let (size, count) = (plan.sizes[scattered], plan.outputSizes[scattered])
      let (row, pixels) = (groups * 8 / plan.shape.scatter, pixels)
      let offsets = stride(from: 0, to: groups * 8, by: 8).map { word -> Int32 in
        let (outer, index) = (word / inner / size, word / inner % size)
        let part = index / count * pixels * row
        return Int32(part + (outer * count + index % count) * inner + word % inner)
      }
      parts = Layout(row: row, groups: offsets)
    } else {
      parts = nil
    }
    let span = TensorPlan.span(
      Int(accumulate.registerBase), used.map { (plan.sizes[$0], Int(body.loops[$0].registerStride)) })
    guard span.lowerBound >= 0, span.upperBound + 8 <= machine.registerFileBytes / machine.packetBytes else {
      return nil
    }
    blocks = (span.lowerBound / 8)..<(span.upperBound / 8 + 1)
  }

  /// What a slice multiplies: places in the machine's state, and in scratch memory.
  struct Operands: @unchecked Sendable {
    fileprivate(set) var record = furc_npu_operands()
  }

  /// The sums over slices of some pixels.
  /// - Parameters:
  ///   - operands: by slice.
  ///   - result: of all pixels, in `layout`.
  func run(
    _ plan: TensorPlan, _ operands: ArraySlice<Operands>, _ range: Range<Int>,
    _ result: UnsafeMutablePointer<Int32>, _ layout: Layout, level: Int32
  ) {
    var job = furc_npu_quads()
    (job.pixels, job.groups, job.count) = (Int64(range.count), Int64(groups), Int64(wo.count))
    job.packet = Int32(plan.packet)
    job.zero_point = Int32(plan.body.fetch.zeroPoint)
    operands.map(\.record).withUnsafeBufferPointer { slices in
      (job.slices, job.slice_count) = (slices.baseAddress, Int64(slices.count))
      withLists { xb, xo, wb, wo in
        (job.xb, job.xo) = (xb.map { $0 + range.lowerBound }, xo)
        (job.wb, job.wo) = (wb, wo)
        job.row = Int64(layout.row)
        layout.groups.withUnsafeBufferPointer {
          job.rb = $0.baseAddress
          furc_npu_contract_quads(&job, result + range.lowerBound * layout.row, level)
        }
      }
    }
  }

  private func withLists(
    _ body: (UnsafePointer<Int32>?, UnsafePointer<Int32>?, UnsafePointer<Int32>?, UnsafePointer<Int32>?) ->
      Void
  ) {
    xb.withUnsafeBufferPointer { xb in
      xo.withUnsafeBufferPointer { xo in
        wb.withUnsafeBufferPointer { wb in
          wo.withUnsafeBufferPointer { wo in
            body(xb.baseAddress, xo.baseAddress, wb.baseAddress, wo.baseAddress)
          }
        }
      }
    }
  }

  /// - Parameters:
  ///   - places: if anything may be skipped: where packets lie.
  ///   - side: with room for what stands for those of which something is skipped, which is filled.
  func operands(
    _ plan: TensorPlan, _ state: MachineState, _ slice: Int, _ places: PacketPlaces?,
    side: UnsafeMutablePointer<Int8>
  ) -> Operands {
    let memory = state.sram(plan.first + plan.firstSource(of: slice).slice)
    var operands = Operands()
    operands.record.x = UnsafePointer(memory.assumingMemoryBound(to: Int8.self))
    operands.record.w = UnsafePointer(state.quads(plan.first + slice))
      .withMemoryRebound(to: Int8.self, capacity: 1) { $0 }
    guard let places else {
      operands.record.x += Int(plan.body.fetch.base)
      return operands
    }
    places.fill(side, from: memory, zeroPoint: Int32(plan.body.fetch.zeroPoint))
    operands.record.places = places.addresses
    operands.record.side = UnsafePointer(side)
    return operands
  }
}
