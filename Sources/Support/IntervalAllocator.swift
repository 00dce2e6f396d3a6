/// Hands out disjoint intervals [offset, offset + size) of a range 0 ..< capacity.
/// Invariant: `gaps` is what is free, ascending, disjoint, not adjacent, none empty.
public struct IntervalAllocator: Sendable {
  public enum Policy: Sendable {
    /// The lowest offset that fits.
    case firstFit
    /// The smallest gap that fits, the lower one of equal gaps.
    case bestFit
  }

  public let capacity: Int
  public let policy: Policy
  public private(set) var gaps: [Range<Int>]
  /// The highest end of any interval that was ever allocated.
  public private(set) var highWater = 0
  private var sizes: [Int: Int] = [:]

  /// - Precondition: `capacity >= 0`.
  public init(capacity: Int, policy: Policy = .firstFit) {
    precondition(capacity >= 0, "negative capacity")
    self.capacity = capacity
    self.policy = policy
    gaps = capacity > 0 ? [0..<capacity] : []
  }

  public var freeBytes: Int { gaps.reduce(0) { $0 + $1.count } }

  /// The offset, a multiple of `alignment`, of `size` bytes that are now taken, or nil if no gap holds them.
  /// - Precondition: `size > 0`, `alignment > 0`.
  public mutating func allocate(_ size: Int, alignment: Int = 1) -> Int? {
    precondition(size > 0 && alignment > 0, "size and alignment must be positive")
    func offset(in gap: Range<Int>) -> Int? {
      let padding = gap.lowerBound.paddingToMultiple(of: alignment)
      return gap.count >= padding && gap.count - padding >= size ? gap.lowerBound + padding : nil
    }
    let fitting = gaps.indices.lazy.filter { [gaps] in offset(in: gaps[$0]) != nil }
    let chosen: Int? =
      switch policy {
      case .firstFit: fitting.first
      case .bestFit: fitting.min { [gaps] in gaps[$0].count < gaps[$1].count }
      }
    guard let chosen, let start = offset(in: gaps[chosen]) else { return nil }
    take(start..<(start + size), from: chosen)
    return start
  }

  /// Like `allocate`, the lowest offset from `start` on; nil if nothing there holds it.
  public mutating func allocate(_ size: Int, alignment: Int, from start: Int) -> Int? {
    precondition(size > 0 && alignment > 0, "size and alignment must be positive")
    for (index, gap) in gaps.enumerated() where gap.upperBound - size >= start {
      let low = max(gap.lowerBound, start)
      let offset = low + low.paddingToMultiple(of: alignment)
      guard offset + size <= gap.upperBound else { continue }
      take(offset..<(offset + size), from: index)
      return offset
    }
    return nil
  }

  /// Takes exactly this interval. False, and nothing changes, if any of it is taken or outside.
  /// - Precondition: it is not empty.
  public mutating func reserve(_ interval: Range<Int>) -> Bool {
    precondition(!interval.isEmpty, "an empty interval cannot be reserved")
    let gap = gaps.firstIndex { $0.lowerBound <= interval.lowerBound && interval.upperBound <= $0.upperBound }
    guard let gap else { return false }
    take(interval, from: gap)
    return true
  }

  /// Gives back what `allocate` or `reserve` took at `offset`.
  /// - Precondition: an interval taken there and not freed since.
  public mutating func free(_ offset: Int) {
    guard let size = sizes.removeValue(forKey: offset) else {
      preconditionFailure("nothing is allocated at \(offset)")
    }
    var interval = offset..<(offset + size)
    var index = gaps.firstIndex { $0.lowerBound > offset } ?? gaps.count
    if index < gaps.count, gaps[index].lowerBound == interval.upperBound {
      interval = interval.lowerBound..<gaps[index].upperBound
      gaps.remove(at: index)
    }
    if index > 0, gaps[index - 1].upperBound == interval.lowerBound {
      interval = gaps[index - 1].lowerBound..<interval.upperBound
      index -= 1
      gaps.remove(at: index)
    }
    gaps.insert(interval, at: index)
  }

  private mutating func take(_ interval: Range<Int>, from index: Int) {
    let gap = gaps[index]
    let rest = [gap.lowerBound..<interval.lowerBound, interval.upperBound..<gap.upperBound]
    gaps.replaceSubrange(index...index, with: rest.filter { !$0.isEmpty })
    sizes[interval.lowerBound] = interval.count
    highWater = max(highWater, interval.upperBound)
  }
}
