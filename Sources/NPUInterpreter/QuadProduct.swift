import CKernels
import Machine
import NPUISA
import Support
import Tensors

/// A contraction of i8 with weights that lie in blocks, four elements at once. Its steps are pixels times groups of lanes.
struct QuadProduct {
  private let pixels: Int
  private let groups: Int
  /// Bytes from where the first packet lies, for slices that skip nothing.
  private let xb: [Int32]
  private let xo: [Int32]
  /// Numbers of packets for all others.
  private let numbersB: [Int32]
  private let numbersO: [Int32]
  private let wb: [Int32]
  private let wo: [Int32]
  /// Of the register file.
  let blocks: Range<Int>
  /// Whether elements may be skipped.
  let maySkip: Bool
  private let packets: Int

  /// Sums of so many products stay within 32 bits with 128 more in every weight.
  private static let mostElements = 1 << 16

  init?(_ plan: TensorPlan, _ machine: SliceMachine) {
    let body = plan.body
    let accumulate = body.accumulate
    guard accumulate.kind == .contract, plan.movesBytes(on: machine), plan.columns == 1, plan.lanes == 8,
      [4, 8, 16].contains(plan.packet), accumulate.laneOrder == .interleaved, body.fetch.outside == nil,
      (-128...127).contains(body.fetch.zeroPoint),
      plan.reduced.reduce(plan.packet, { $0 * plan.sizes[$1] }) <= Self.mostElements
    else { return nil }
    let used = plan.nest.filter { plan.sizes[$0] > 1 }
    guard accumulate.registerBase % 8 == 0, used.allSatisfy({ body.loops[$0].registerStride % 8 == 0 }) else {
      return nil
    }
    let bytes = body.loops.indices.map { plan.byteStride($0, machine) }
    let numbers = plan.packetStrides(plan.shape.fetches)
    // Groups of lanes use a packet again; pixels use the weights again.
    var rows = plan.retained
    var columns: [Int] = []
    while let last = rows.last, plan.sizes[last] == 1 || (bytes[last] == 0 && numbers[last] == 0) {
      rows.removeLast()
      columns.insert(last, at: 0)
    }
    guard rows.allSatisfy({ plan.sizes[$0] == 1 || body.loops[$0].registerStride == 0 }) else { return nil }
    func list(_ loops: [Int], _ stride: (Int) -> Int) -> [Int32] {
      TensorPlan.offsets(loops.map { plan.sizes[$0] }, loops.map(stride))
    }
    func weights(_ loop: Int) -> Int { Int(body.loops[loop].registerStride) * Int(FURC_NPU_UNIT) }
    xb = list(rows) { bytes[$0] }
    xo = list(plan.reduced) { bytes[$0] }
    numbersB = list(rows) { numbers[$0] }
    numbersO = list(plan.reduced) { numbers[$0] }
    let base = Int32(accumulate.registerBase) * Int32(FURC_NPU_UNIT)
    wb = list(columns, weights).map { $0 + base }
    wo = list(plan.reduced, weights)
    (pixels, groups) = (xb.count, wb.count)
    packets = plan.shape.fetches
    let span = TensorPlan.span(
      Int(accumulate.registerBase), used.map { (plan.sizes[$0], Int(body.loops[$0].registerStride)) })
    guard span.lowerBound >= 0, span.upperBound + 8 <= machine.registerFileBytes / machine.packetBytes else {
      return nil
    }
    blocks = (span.lowerBound / 8)..<(span.upperBound / 8 + 1)
    maySkip = !body.fetch.bounds.isEmpty || body.fetch.validLoop != 255
    guard maySkip ? body.exchange.kind == .forward : plan.fetchStaysInside else { return nil }
  }

  /// Where the packets of slices lie that are inside their bounds alike.
  struct Places {
    fileprivate var addresses: [Int32]
    fileprivate var parts: [furc_npu_part]
  }

  /// - Parameter job: of one of the slices.
  /// - Returns: nil if a fetch leaves the SRAM.
  func places(_ job: inout furc_npu_fetch) -> Places? {
    var places = Places(addresses: [], parts: [])
    var count: Int64 = 0
    places.addresses = [Int32](unsafeUninitializedCapacity: packets) { addresses, initialized in
      places.parts = [furc_npu_part](unsafeUninitializedCapacity: packets) { parts, filled in
        count = furc_npu_place_packets(&job, addresses.baseAddress, parts.baseAddress)
        filled = max(Int(count), 0)
      }
      initialized = count < 0 ? 0 : packets
    }
    return count < 0 ? nil : places
  }

  /// By slice a number that is the same for those that are inside their bounds alike.
  func classes(_ plan: TensorPlan) -> [Int] {
    var known: [[Int]: Int] = [:]
    return (0..<plan.slices).map { slice in
      let key = plan.body.fetch.bounds.map { bound -> Int in
        let origin =
          Int(bound.origin) + slice / Int(bound.divisor) % Int(bound.modulus) * Int(bound.step)
        let reached = TensorPlan.span(
          origin,
          plan.time.map { (plan.sizes[$0], Int(bound.coefficients[$0])) }
            + [(plan.packet, Int(bound.elementCoefficient))])
        let isInside = reached.lowerBound >= Int(bound.low) && reached.upperBound < Int(bound.high)
        return isInside ? Int.min : origin
      }
      let number = known[key] ?? known.count
      known[key] = number
      return number
    }
  }

  /// The sums of a slice, [step][lane].
  /// - Parameters:
  ///   - places: if anything may be skipped.
  ///   - sums: room for a word per pixel.
  func run(
    _ plan: TensorPlan, _ state: MachineState, _ slice: Int, _ places: Places?,
    sums: UnsafeMutablePointer<Int32>, _ result: UnsafeMutablePointer<Int32>, level: Int32
  ) {
    let source = plan.source(of: slice, [Int](repeating: 0, count: 8)).slice
    var job = furc_npu_quads()
    (job.pixels, job.groups, job.count) = (Int64(pixels), Int64(groups), Int64(wo.count))
    job.packet = Int32(plan.packet)
    job.zero_point = Int32(plan.body.fetch.zeroPoint)
    job.w = UnsafePointer(state.quads(plan.first + slice))
    job.sums = sums
    func run(_ xb: [Int32], _ xo: [Int32]) {
      xb.withUnsafeBufferPointer { xb in
        xo.withUnsafeBufferPointer { xo in
          wb.withUnsafeBufferPointer { wb in
            wo.withUnsafeBufferPointer { wo in
              (job.xb, job.xo, job.wb, job.wo) = (
                xb.baseAddress, xo.baseAddress, wb.baseAddress, wo.baseAddress
              )
              furc_npu_contract_quads(&job, result, level)
            }
          }
        }
      }
    }
    guard let places else {
      job.x = UnsafePointer(
        (state.sram(plan.first + source) + Int(plan.body.fetch.base)).assumingMemoryBound(to: Int8.self))
      return run(xb, xo)
    }
    let memory = state.sram(plan.first + source)
    job.x = UnsafePointer(memory.assumingMemoryBound(to: Int8.self))
    let count = places.parts.count
    withUnsafeTemporaryAllocation(of: Int8.self, capacity: (count + 1) * Int(FURC_NPU_UNIT)) { side in
      furc_npu_fill_side(
        UnsafePointer(memory.assumingMemoryBound(to: UInt8.self)), places.parts, Int64(count), job.zero_point,
        side.baseAddress)
      job.side = UnsafePointer(side.baseAddress)
      places.addresses.withUnsafeBufferPointer { addresses in
        job.places = addresses.baseAddress
        run(numbersB, numbersO)
      }
    }
  }
}
