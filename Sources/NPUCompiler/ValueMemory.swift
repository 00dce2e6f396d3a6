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
  private var lifetimes: [Lifetime]?
  private var open: [Int: Int] = [:]
  private var clock = 0
  /// When this kernel began, and the two before it.
  private var begins = (now: 0, before: 0, beforeThat: 0)

  private struct Lifetime {
    var start: Int
    var end: Int
    var size: Int
    /// From when on it should be free already, so that a copy may fill it early.
    var wanted: Int
  }

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

  /// The kernel that follows begins.
  mutating func begin() { begins = (clock, begins.now, begins.before) }

  /// - Parameters:
  ///   - start: the lowest offset allowed; plans have their own.
  ///   - isEarly: whether what fills it may come during the two kernels before.
  mutating func allocate(_ bytes: Int, from start: Int = 0, isEarly: Bool = false) -> Int? {
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
      lifetimes?.append(
        Lifetime(start: clock, end: clock, size: size, wanted: isEarly ? begins.beforeThat : clock))
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
  /// read: where there is room, places are free early for what may come early, and stay empty for a while.
  func plan() -> [Int]? {
    guard let lifetimes else { return nil }
    for (share, rest) in Self.rests {
      let buffers = loosened(lifetimes, upTo: capacity / 16 * share, rest: rest).map {
        StaticAllocator.Buffer($0.start..<$0.end, size: $0.size, alignment: Self.alignment)
      }
      let limit = rest == 0 ? StaticAllocator.defaultNodeLimit : 0
      if let offsets = StaticAllocator.solve(buffers, capacity: capacity, nodeLimit: limit).offsets {
        return offsets
      }
    }
    return nil
  }

  /// Sixteenths of the capacity that lifetimes may be loosened up to, and allocations and frees that a place stays empty for.
  private static let rests = [(16, 32), (15, 32), (14, 32), (13, 16), (12, 8), (8, 4), (0, 0)]

  /// Lifetimes that begin as early as is wanted and end up to `rest` later, as far as no more than `limit` bytes live at once.
  private func loosened(_ lifetimes: [Lifetime], upTo limit: Int, rest: Int) -> [Lifetime] {
    var loose = lifetimes
    let endless = Set(open.values)
    for index in loose.indices {
      loose[index].end = endless.contains(index) ? clock : max(loose[index].end, loose[index].start + 1)
    }
    var live = [Int](repeating: 0, count: clock + 1)
    for lifetime in loose { for time in lifetime.start..<lifetime.end { live[time] += lifetime.size } }
    for index in loose.indices {
      while loose[index].start > loose[index].wanted {
        let time = loose[index].start - 1
        guard live[time] + loose[index].size <= limit else { break }
        live[time] += loose[index].size
        loose[index].start = time
      }
    }
    // Each in turn a little.
    for _ in 0..<rest {
      for index in loose.indices {
        let time = loose[index].end
        guard time < clock, live[time] + loose[index].size <= limit else { continue }
        live[time] += loose[index].size
        loose[index].end = time + 1
      }
    }
    return loose
  }
}
