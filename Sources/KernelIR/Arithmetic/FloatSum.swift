import Tensors

/// The f32 sum of a reduction whose number of elements is known: up to 64 in one chain from +0; of more,
/// element i goes to partial sum i mod 16, each a chain from +0, and a tree of adjacent pairs adds those.
@frozen public struct FloatSum: Sendable {
  @usableFromInline var partial = SIMD16<Float>.zero
  @usableFromInline var next = 0
  @usableFromInline let isSplit: Bool

  @inlinable public init(count: Int) { isSplit = count > 64 }

  @inlinable public mutating func add(_ value: Float) {
    partial[next] += value
    if isSplit { next = (next + 1) & 15 }
  }

  @inlinable public var result: Float {
    guard isSplit else { return partial[0].canonical }
    let eight = partial.evenHalf + partial.oddHalf
    let four = eight.evenHalf + eight.oddHalf
    let two = four.evenHalf + four.oddHalf
    return (two[0] + two[1]).canonical
  }
}

extension Arithmetic {
  /// By the rule of `FloatSum`.
  @inlinable public static func sum(_ values: some Collection<Float>) -> Float {
    var sum = FloatSum(count: values.count)
    for value in values { sum.add(value) }
    return sum.result
  }

  /// One chain from 1.
  @inlinable public static func product(_ values: some Sequence<Float>) -> Float {
    values.reduce(1, multiply)
  }

  /// -Inf for none.
  @inlinable public static func maximum(of values: some Sequence<Float>) -> Float {
    values.reduce(-.infinity) { maximum($0, $1) }
  }

  /// +Inf for none.
  @inlinable public static func minimum(of values: some Sequence<Float>) -> Float {
    values.reduce(.infinity) { minimum($0, $1) }
  }

  /// The sum over a contraction's split axis: adjacent pairs, again and again; the last of an odd number
  /// goes up as it is. +0 for none.
  public static func splitSum(_ chains: [Float]) -> Float {
    var level = chains
    while level.count > 1 {
      level = stride(from: 0, to: level.count, by: 2).map {
        $0 + 1 < level.count ? add(level[$0], level[$0 + 1]) : level[$0]
      }
    }
    return level.first.map(canonical) ?? 0
  }
}
