import Support

/// The SRAM of a slice that values share, one after another. A search counts bytes only; the program that comes of it gets
/// the offsets of a plan made for all lifetimes at once, or, without a plan, the lowest that are free.
struct ValueMemory {
  private enum Policy {
    case lowest
    /// Offsets are nobody's; what lives at once must fit.
    case counted
    case planned
  }

  let capacity: Int
  private let policy: Policy
  private var intervals: IntervalAllocator
  /// Of a plan, the offsets to come, last first.
  private var offsets: [Int] = []
  private var sizes: [Int: Int] = [:]
  private var live = 0
  /// Lifetimes so far, in the order of their beginnings, and whose they are by offset; nil where nobody asks.
  private var lifetimes: [(start: Int, end: Int, size: Int)]?
  private var open: [Int: Int] = [:]
  private var clock = 0

  private static let alignment = 64

  private init(capacity: Int, _ policy: Policy) {
    self.capacity = capacity
    self.policy = policy
    let isCounted = if case .counted = policy { true } else { false }
    // Where bytes are counted only, gaps do no harm.
    intervals = IntervalAllocator(capacity: isCounted ? 16 * capacity : capacity)
  }

  static func lowest(_ capacity: Int) -> ValueMemory { .init(capacity: capacity, .lowest) }

  static func counted(_ capacity: Int, recordsLifetimes: Bool = false) -> ValueMemory {
    var memory = ValueMemory(capacity: capacity, .counted)
    if recordsLifetimes { memory.lifetimes = [] }
    return memory
  }

  /// - Parameter offsets: of the allocations to come, in their order.
  static func planned(_ capacity: Int, _ offsets: [Int]) -> ValueMemory {
    var memory = ValueMemory(capacity: capacity, .planned)
    memory.offsets = offsets.reversed()
    return memory
  }

  var freeBytes: Int {
    if case .counted = policy { capacity - live } else { intervals.freeBytes }
  }

  /// - Parameter start: the lowest offset allowed; plans have their own.
  mutating func allocate(_ bytes: Int, from start: Int = 0) -> Int? {
    let size = max(bytes, 1).roundedUp(toMultipleOf: Self.alignment)
    let offset: Int?
    switch policy {
    case .lowest: offset = intervals.allocate(size, alignment: Self.alignment, from: start)
    case .counted:
      offset = live + size <= capacity ? intervals.allocate(size, alignment: Self.alignment) : nil
    case .planned:
      offset = offsets.popLast().flatMap { intervals.reserve($0..<($0 + size)) ? $0 : nil }
    }
    guard let offset else { return nil }
    live += size
    sizes[offset] = size
    if let count = lifetimes?.count {
      lifetimes?.append((clock, clock, size))
      open[offset] = count
    }
    clock += 1
    return offset
  }

  mutating func free(_ offset: Int) {
    intervals.free(offset)
    live -= sizes.removeValue(forKey: offset) ?? 0
    if let index = open.removeValue(forKey: offset) { lifetimes?[index].end = clock }
    clock += 1
  }

  /// Offsets for the lifetimes recorded; nil where none were found. What takes the place of a value waits until that has been
  /// read: where there is room, places stay empty for a while.
  func plan() -> [Int]? {
    guard let lifetimes else { return nil }
    let endless = Set(open.values)
    for rest in Self.rests {
      let buffers = lifetimes.enumerated().map { index, lifetime in
        StaticAllocator.Buffer(
          lifetime.start..<(endless.contains(index) ? clock : max(lifetime.end, lifetime.start + 1) + rest),
          size: lifetime.size, alignment: Self.alignment)
      }
      let limit = rest == 0 ? StaticAllocator.defaultNodeLimit : 0
      if let offsets = StaticAllocator.solve(buffers, capacity: capacity, nodeLimit: limit).offsets {
        return offsets
      }
    }
    return nil
  }

  /// Allocations and frees that a place stays empty for.
  private static let rests = [32, 16, 8, 4, 0]
}
