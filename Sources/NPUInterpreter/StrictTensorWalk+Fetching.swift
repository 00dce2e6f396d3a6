import KernelIR
import Machine
import NPUISA
import Support
import Tensors

// Fetch, adapter and switch.
extension StrictTensorWalk {
  mutating func countFetch() {
    let packetBytes = plan.packet * plan.elementSize
    let rate = plan.isMain ? machine.fetchMainBytesPerCycle : machine.fetchSubBytesPerCycle
    var flits = 0
    var index = [Int](repeating: 0, count: 8)
    for slice in 0..<plan.slices {
      var odometer = Odometer(plan.time, plan.sizes)
      while odometer.next(&index) {
        _ = fetch(slice, index, isObserved: true)
        counters.sramReadBytes += packetBytes
        guard slice == 0 else { continue }
        counts.fetch += Self.steps(packetBytes, rate)
        flits += Self.steps(packetBytes, machine.flitBytes)
      }
    }
    var ringSteps = 0
    switch body.exchange.kind {
    case .forward: break
    case .shift: ringSteps = abs(Int(body.exchange.distance))
    case .neighbours:
      ringSteps = abs(Int(body.exchange.distance))
      // Each way for itself: the packets add up to all.
      flits += 2
    default: for _ in 0..<Int(body.exchange.outer) { ringSteps += Int(body.exchange.inner) }
    }
    for _ in 0..<ringSteps { counts.exchange += flits + 2 }
  }

  /// How often one takes `rate` of `amount` until nothing is left.
  static func steps(_ amount: Int, _ rate: Int) -> Int {
    var (left, count) = (amount, 0)
    while left > 0 {
      left -= max(rate, 1)
      count += 1
    }
    return count
  }

  /// The packet of a slice behind the adapter.
  private mutating func fetch(_ slice: Int, _ index: [Int], isObserved: Bool) -> [Element] {
    let fetch = body.fetch
    var base = Int(fetch.base)
    for loop in plan.time { base += index[loop] * Int(body.loops[loop].fetchStride) }
    var packet = [Element](repeating: Element(), count: plan.width)
    for e in 0..<plan.packet {
      if fetch.validLoop != 255 {
        let left = Int(fetch.validCount) - index[Int(fetch.validLoop)] * plan.packet
        guard left > e else { continue }
      }
      guard fetch.bounds.allSatisfy({ isInside($0, slice, index, e) }) else {
        if let outside = fetch.outside { packet[e] = Element(bits: outside, isSkipped: false) }
        continue
      }
      packet[e] = Element(bits: load(slice, base + e * plan.elementSize, isObserved), isSkipped: false)
    }
    if fetch.isBroadcast { for e in 1..<8 { packet[e] = packet[0] } }
    return packet
  }

  private func isInside(_ bound: TensorInstruction.Bound, _ slice: Int, _ index: [Int], _ e: Int) -> Bool {
    var coordinate = Int(bound.origin) + e * Int(bound.elementCoefficient)
    for (loop, coefficient) in bound.coefficients.enumerated() {
      coordinate += index[loop] * Int(coefficient)
    }
    coordinate += slice / Int(bound.divisor) % Int(bound.modulus) * Int(bound.step)
    return Int(bound.low) <= coordinate && coordinate < Int(bound.high)
  }

  /// An element of SRAM, widened, or the table's entry for it.
  mutating func load(_ slice: Int, _ address: Int, _ isObserved: Bool) -> UInt32 {
    let fetch = body.fetch
    let size = plan.elementSize
    guard address >= 0, address + size <= machine.sramBytesPerSlice else {
      strict.findings.add(
        .addressRange, who.context, who.position,
        "reads SRAM byte \(address) of slice \(plan.first + slice), which has \(machine.sramBytesPerSlice)")
      return 0
    }
    if isObserved {
      strict.read(.sram, plan.first + slice, address, size, who)
    }
    let memory = UnsafeRawPointer(state.sram(plan.first + slice)) + address
    if let table = fetch.table {
      let stored = memory.load(as: UInt8.self)
      let key = fetch.element == .u8 ? Int(stored) - 128 : Int(Int8(bitPattern: stored))
      let word = Int(table) * 256 + key + 128
      if isObserved { strict.read(.tables, plan.first + slice, word, 1, who) }
      return state.tables(plan.first + slice)[word]
    }
    if fetch.element.isFloat { return fetch.element.loadFloat(memory).bitPattern }
    return UInt32(bitPattern: fetch.element.loadInteger(memory) &- Int32(fetch.zeroPoint))
  }

  /// The packet that a slice receives at an index of the nest.
  mutating func receive(_ slice: Int, _ index: [Int]) -> [Element] {
    let source = plan.source(of: slice, index)
    var index = index
    if let leaving = plan.shape.leaving { index[leaving] = source.leaving }
    return fetch(source.slice, index, isObserved: false)
  }
}
