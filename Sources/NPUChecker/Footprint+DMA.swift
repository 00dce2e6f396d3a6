import Machine
import NPUISA
import Support

extension Footprint {
  /// - Precondition: the instruction breaks no limit.
  init(_ dma: DMAInstruction, _ machine: SliceMachine) {
    for isSource in [true, false] {
      let place = isSource ? dma.source : dma.destination
      let isIndexed = dma.index.map { ($0.side == .gather) == isSource } ?? false
      var loops = dma.loops.map {
        (size: Int($0.size), stride: isSource ? $0.sourceStride : $0.destinationStride)
      }
      let kind: Access.Kind = isSource ? .read : isIndexed ? .mayWrite : .write
      // Which rows an index list names depends on data: any of them.
      if isIndexed, let rows = dma.index?.rows { loops[0].size = Int(rows) }
      add(
        place, Int(dma.runBytes), loops.map { ($0.size, $0.stride) }, kind,
        isSource ? "the source" : "the destination",
        machine)
    }
    if let index = dma.index {
      add(index.list, 4 * Int(dma.loops[0].size), [], .read, "the index list", machine)
    }
  }

  private mutating func add(
    _ place: DMAInstruction.Place, _ bytes: Int, _ loops: [(size: Int, stride: Int64)], _ kind: Access.Kind,
    _ name: String, _ machine: SliceMachine
  ) {
    var (low, high) = (place.base, place.base)
    for loop in loops {
      let (reach, overflow) = loop.stride.multipliedReportingOverflow(by: Int64(loop.size - 1))
      let (sum, more) = (reach < 0 ? low : high).addingReportingOverflow(reach)
      guard !overflow, !more, abs(sum) < 1 << 60 else {
        findings.append(Diagnostic(.addressRange, "\(name) goes beyond 60 bits of address"))
        return
      }
      if reach < 0 { low = sum } else { high = sum }
    }
    let strides = loops.map { (size: $0.size, stride: Int($0.stride)) }
    if place.memory == .dram {
      let base = Int(place.base)
      add(.dram, kind, [], spread(Intervals(base..<(base + bytes)), over: strides, name), name)
    } else {
      addSRAM(Int(place.base), bytes, strides, kind, name, machine)
    }
  }

  /// Flat addresses by slice: a stride is whole windows and a rest; loops with whole windows are enumerated.
  private mutating func addSRAM(
    _ base: Int, _ bytes: Int, _ loops: [(size: Int, stride: Int)], _ kind: Access.Kind, _ name: String,
    _ machine: SliceMachine
  ) {
    let window = machine.sramWindowBytes
    func split(_ stride: Int) -> (windows: Int, rest: Int) {
      let windows = (2 * stride + window).flooredQuotient(2 * window)
      return (windows, stride - windows * window)
    }
    let parts = loops.map { (size: $0.size, split: split($0.stride)) }
    let origin = (slice: base.flooredQuotient(window), offset: base - base.flooredQuotient(window) * window)
    // Offsets that leave their window carry into the next: then every run is looked at on its own.
    var (low, high) = (origin.offset, origin.offset + bytes)
    for part in parts {
      let reach = part.split.rest * (part.size - 1)
      if reach < 0 { low += reach } else { high += reach }
    }
    let carries = low < 0 || high > window
    let listed = parts.filter { carries || $0.split.windows != 0 }
    let count = listed.reduce(1) { min($0 * $1.size, 1 << 30) }
    guard count <= Intervals.limit else { return tooLarge(name) }
    var starts: [Int] = [base]
    for part in listed {
      let stride = part.split.windows * window + part.split.rest
      starts = (0..<part.size).flatMap { step in starts.map { $0 + step * stride } }
    }
    let inside = spread(
      Intervals(0..<bytes),
      over: parts.filter { !carries && $0.split.windows == 0 }.map { ($0.size, $0.split.rest) }, name)
    var bySlice: [Int: [Int]] = [:]
    for start in starts { bySlice[start.flooredQuotient(window), default: []].append(start) }
    var groups: [Intervals: [Int]] = [:]
    for slice in bySlice.keys.sorted() {
      let starts = bySlice[slice] ?? []
      var places = inside
      let offsets = starts.map { $0 - slice * window }
      if !places.spread(over: offsets) { tooLarge(name) }
      guard slice >= 0, slice < machine.slices else {
        findings.append(Diagnostic(.addressRange, "\(name) reaches slice \(slice) of \(machine.slices)"))
        continue
      }
      groups[places, default: []].append(slice)
    }
    let ordered = groups.map { (places: $0.key, slices: $0.value.sorted()) }
      .sorted { ($0.slices.first ?? 0) < ($1.slices.first ?? 0) }
    for group in ordered { add(.sram, kind, group.slices, group.places, name) }
  }
}

extension Int {
  /// ⌊self / divisor⌋ for `divisor` > 0.
  fileprivate func flooredQuotient(_ divisor: Int) -> Int {
    let quotient = self / divisor
    return self % divisor < 0 ? quotient - 1 : quotient
  }
}
