import Support
import Tensors

extension Kernel {
  /// The region of an operand that a sub-box of the axes reads: per dimension the interval of its map,
  /// clipped to the bounds. Every element read lies in it; with strides it also holds elements that are not.
  /// Empty ranges where nothing is read. The replaced dimension of a gather is read whole; a source of move
  /// in its box only.
  /// - Precondition: the kernel is verified; `ranges` has one range per axis, within the axis.
  public func footprint(of index: Int, over ranges: [Range<Int>]) -> [Range<Int>] {
    let operand = operands[index]
    var visited = ranges
    if form == .move { visited = zip(ranges, operand.box).map { $0.clamped(to: $1) } }
    if readsNothing(index, over: visited) { return operand.maps.map { _ in 0..<0 } }
    var footprint: [Range<Int>] = []
    for (dimension, (map, extent)) in zip(operand.maps, operand.type.shape).enumerated() {
      guard var interval = map.interval(over: visited) else { return operand.maps.map { _ in 0..<0 } }
      if index == 0, form == .gather(dimension: dimension) { interval = 0...max(extent - 1, 0) }
      footprint.append(Range(interval).clamped(to: 0..<extent))
    }
    return footprint.contains(where: \.isEmpty) ? footprint.map { _ in 0..<0 } : footprint
  }

  /// The same before clipping: where coordinates leave the bounds of the operand, too. Nil where nothing is
  /// read. The replaced dimension of a gather is its 0.
  public func reach(of index: Int, over ranges: [Range<Int>]) -> [ClosedRange<Int>]? {
    if readsNothing(index, over: ranges) { return nil }
    var reach: [ClosedRange<Int>] = []
    for map in operands[index].maps {
      guard let interval = map.interval(over: ranges) else { return nil }
      reach.append(interval)
    }
    return reach
  }

  /// Whether some coordinate of the operand leaves its bounds within these ranges.
  public func leavesBounds(_ index: Int, over ranges: [Range<Int>]) -> Bool {
    guard let reach = reach(of: index, over: ranges) else { return false }
    return zip(reach, operands[index].type.shape).contains { $0.lowerBound < 0 || $0.upperBound >= $1 }
  }

  /// Whether some axis that decides how often the operand is read has an empty range. An empty reduction
  /// leaves what is read once per element of the result.
  private func readsNothing(_ index: Int, over ranges: [Range<Int>]) -> Bool {
    let isReduced = index < formOperandCount && !(index == 0 && isScatter)
    return axes.ids.contains {
      ranges[$0.index].isEmpty && (isReduced || axes[$0].role == .parallel)
    }
  }

  private var isScatter: Bool { if case .scatter = form { true } else { false } }
}
