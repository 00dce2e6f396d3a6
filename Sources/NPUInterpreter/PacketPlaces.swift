import CKernels
import NPUISA
import Support

/// Where the packets of i8 lie that slices fetch which are inside their bounds alike.
struct PacketPlaces {
  /// One per packet, as `furc_npu_place_packets` leaves them.
  var addresses: UnsafePointer<Int32> { UnsafePointer(list.base) }
  private let list: List
  private let parts: [furc_npu_part]

  /// Numbers that stay where they are.
  private final class List: @unchecked Sendable {
    let base: UnsafeMutablePointer<Int32>

    init(_ count: Int) { base = .allocate(capacity: max(count, 1)) }

    deinit { base.deallocate() }
  }

  /// - Parameters:
  ///   - packets: of a slice.
  ///   - job: of one of the slices.
  /// - Returns: nil if a fetch leaves the SRAM.
  init?(_ packets: Int, _ job: inout furc_npu_fetch) {
    var count: Int64 = 0
    let list = List(packets)
    parts = [furc_npu_part](unsafeUninitializedCapacity: packets) { parts, filled in
      count = furc_npu_place_packets(&job, list.base, parts.baseAddress)
      filled = max(Int(count), 0)
    }
    self.list = list
    if count < 0 { return nil }
  }

  /// Bytes of what stands for packets of which something is skipped.
  var sideBytes: Int { (parts.count + 1) * Int(FURC_NPU_UNIT) }

  func fill(_ side: UnsafeMutablePointer<Int8>, from memory: UnsafeMutableRawPointer, zeroPoint: Int32) {
    furc_npu_fill_side(
      UnsafePointer(memory.assumingMemoryBound(to: UInt8.self)), parts, Int64(parts.count), zeroPoint, side)
  }

  /// Calls `body` with the addresses, and what stands for packets of which something is skipped.
  func withSide(
    _ memory: UnsafeMutableRawPointer, zeroPoint: Int32,
    _ body: (UnsafePointer<Int32>?, UnsafePointer<Int8>?) -> Void
  ) {
    withUnsafeTemporaryAllocation(of: Int8.self, capacity: sideBytes) { side in
      side.baseAddress.map { fill($0, from: memory, zeroPoint: zeroPoint) }
      body(addresses, UnsafePointer(side.baseAddress))
    }
  }

  /// By slice a number that is the same for those that are inside their bounds alike.
  static func classes(_ plan: TensorPlan) -> [Int] {
    var known: [[Int]: Int] = [:]
    return (0..<plan.slices).map { slice in
      let key = plan.body.fetch.bounds.map { bound -> Int in
        let origin = bound.origin(of: slice)
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
}
