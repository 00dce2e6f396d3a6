/// Buffers as the search sees them: in units that every sensible offset is a multiple of, over sections instead of
/// times. A section is a largest set of buffers that live at one time, so two buffers conflict if and only if they
/// share a section, and no section's buffers are a subset of another's.
struct AllocationProblem {
  struct Item {
    /// Its place among the buffers.
    var buffer: Int
    /// In units; the buffer may be up to one unit shorter.
    var size: Int
    var alignment: Int
    /// Where it has to lie, or nil.
    var fixed: Int?
    /// The sections that it lives in.
    var sections: Range<Int>
  }

  let buffers: [StaticAllocator.Buffer]
  /// Bytes.
  let unit: Int
  private(set) var items: [Item] = []
  private(set) var sectionCount = 0
  /// No capacity below this many bytes can do: the most that lives at one time, or ends of fixed buffers.
  private(set) var load = 0
  /// Whether the fixed buffers leave each other alone.
  private(set) var isConsistent = true

  init(_ buffers: [StaticAllocator.Buffer]) {
    self.buffers = buffers
    let material = buffers.indices.filter { buffers[$0].isMaterial }
    unit = Self.unit(material.map { buffers[$0] })
    for index in material {
      let buffer = buffers[index]
      precondition(buffer.alignment > 0, "an alignment is not positive")
      items.append(
        Item(
          buffer: index, size: (buffer.size - 1) / unit + 1, alignment: max(buffer.alignment / unit, 1),
          fixed: buffer.fixedOffset.map { $0 / unit }, sections: 0..<0))
    }
    findSections()
    findLoad()
    let fixed = items.filter { $0.fixed != nil }
    for (index, item) in fixed.enumerated() {
      load = max(load, item.end(at: item.fixed ?? 0) * unit)
      for other in fixed[..<index] where item.sections.overlaps(other.sections) {
        if item.overlaps(other, item.fixed ?? 0, other.fixed ?? 0) { isConsistent = false }
      }
    }
  }

  /// The largest number that offsets may be multiples of without loss. Where every buffer lies as low as it can,
  /// each offset is 0, fixed, or the end of another buffer, brought to the alignment.
  private static func unit(_ buffers: [StaticAllocator.Buffer]) -> Int {
    var common = 0
    for buffer in buffers {
      if let offset = buffer.fixedOffset {
        precondition(offset >= 0, "a fixed offset is negative")
        common = gcd(gcd(common, offset), offset + buffer.size)
      } else {
        common = gcd(common, buffer.alignment)
      }
    }
    // Nothing starts between multiples of `common`, so sizes may be brought to it.
    var unit = 0
    for buffer in buffers {
      unit = gcd(unit, buffer.size + buffer.size.paddingToMultiple(of: common))
      unit = gcd(unit, buffer.fixedOffset ?? 0)
    }
    // An alignment has to divide the unit, or be a multiple of it.
    let alignments = Set(buffers.lazy.filter { $0.fixedOffset == nil }.map(\.alignment)).sorted()
    while let other = alignments.first(where: { unit % $0 != 0 && $0 % unit != 0 }) {
      unit = gcd(unit, other)
    }
    return max(unit, 1)
  }

  private static func gcd(_ left: Int, _ right: Int) -> Int {
    var (left, right) = (left, right)
    while right != 0 { (left, right) = (right, left % right) }
    return left
  }

  /// One section at every start that an end follows, before the next start.
  private mutating func findSections() {
    let starts = items.indices.sorted { start(of: $0) < start(of: $1) }
    let ends = items.indices.sorted { end(of: $0) < end(of: $1) }
    var first = [Int](repeating: 0, count: items.count)
    var ended = 0
    var isOpen = false
    for index in starts {
      while end(of: ends[ended]) <= start(of: index) {
        if isOpen { sectionCount += 1 }
        isOpen = false
        items[ends[ended]].sections = first[ends[ended]]..<sectionCount
        ended += 1
      }
      first[index] = sectionCount
      isOpen = true
    }
    if isOpen { sectionCount += 1 }
    for index in ends[ended...] { items[index].sections = first[index]..<sectionCount }
  }

  private func start(of item: Int) -> Int { buffers[items[item].buffer].start }
  private func end(of item: Int) -> Int { buffers[items[item].buffer].end }

  private mutating func findLoad() {
    var (totals, slacks) = (
      [Int](repeating: 0, count: sectionCount), [Int](repeating: 0, count: sectionCount)
    )
    for item in items {
      let slack = item.size * unit - buffers[item.buffer].size
      for section in item.sections {
        totals[section] += item.size * unit
        slacks[section] = max(slacks[section], slack)
      }
    }
    // Only the one at the top may be shorter than its units.
    for section in 0..<sectionCount { load = max(load, totals[section] - slacks[section]) }
  }

  /// The highest end in bytes of items at these offsets in units.
  func peak(of packing: [Int]) -> Int {
    zip(items, packing).reduce(0) { max($0, $1.1 * unit + buffers[$1.0.buffer].size) }
  }

  /// The highest offset in units from which an item ends within the capacity in bytes; negative if none does.
  func latest(_ item: Item, capacity: Int) -> Int {
    let room = capacity - buffers[item.buffer].size
    return room < 0 ? -1 : item.fixed ?? room / unit
  }

  /// Offsets in bytes of all buffers, from those of the items in units.
  func offsets(of packing: [Int]) -> [Int] {
    var offsets = buffers.map { $0.fixedOffset ?? 0 }
    for (item, offset) in zip(items, packing) { offsets[item.buffer] = offset * unit }
    return offsets
  }

  /// The most that lives in a section of the item, in units.
  var contentions: [Int] {
    var totals = [Int](repeating: 0, count: sectionCount)
    for item in items { for section in item.sections { totals[section] += item.size } }
    return items.map { $0.sections.reduce(0) { max($0, totals[$1]) } }
  }
}

extension AllocationProblem.Item {
  func end(at offset: Int) -> Int { offset + size }

  /// Whether the two overlap in space at these offsets.
  func overlaps(_ other: Self, _ offset: Int, _ otherOffset: Int) -> Bool {
    offset < otherOffset + other.size && otherOffset < offset + size
  }
}
