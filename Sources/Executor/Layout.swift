/// Where the elements of a dense buffer lie: per dimension the distance of neighbours, in elements. Always
/// the row-major strides of some order of the dimensions.
struct Layout: Hashable, Sendable {
  let strides: [Int]

  static func rowMajor(_ shape: [Int]) -> Layout { Layout(shape, order: Array(shape.indices)) }

  /// - Parameter order: all dimensions, the outermost first.
  init(_ shape: [Int], order: [Int]) {
    var strides = [Int](repeating: 1, count: shape.count)
    var next = 1
    for dimension in order.reversed() {
      strides[dimension] = next
      next *= max(shape[dimension], 1)
    }
    self.strides = strides
  }

  private init(strides: [Int]) { self.strides = strides }

  /// Whether the bytes are those of a tensor of this shape.
  func isRowMajor(_ shape: [Int]) -> Bool {
    let expected = Layout.rowMajor(shape).strides
    return shape.contains(0) || shape.indices.allSatisfy { shape[$0] == 1 || strides[$0] == expected[$0] }
  }

  /// The dimensions, outermost first.
  var order: [Int] { strides.indices.sorted { (strides[$0], $1) > (strides[$1], $0) } }

  /// The same dimensions with one of them innermost.
  func placing(innermost dimension: Int, _ shape: [Int]) -> Layout {
    Layout(shape, order: order.filter { $0 != dimension } + [dimension])
  }

  /// The layout of the same bytes under another shape of as many elements in row-major order, or nil where
  /// none exists: dimensions are matched in groups of equal product, each contiguous in itself.
  func viewed(_ old: [Int], as new: [Int]) -> Layout? {
    if old.contains(0) || new.contains(0) { return .rowMajor(new) }
    let solid = old.indices.filter { old[$0] != 1 }
    var result = [Int](repeating: 1, count: new.count)
    var (from, to) = (0, 0)
    while from < solid.count, to < new.count {
      var (last, end) = (from, to + 1)
      var (oldCount, newCount) = (old[solid[from]], new[to])
      while oldCount != newCount {
        if newCount < oldCount {
          guard end < new.count else { return nil }
          newCount *= new[end]
          end += 1
        } else {
          guard last + 1 < solid.count else { return nil }
          last += 1
          oldCount *= old[solid[last]]
        }
      }
      for index in from..<last {
        let (outer, inner) = (solid[index], solid[index + 1])
        guard strides[outer] == strides[inner] * old[inner] else { return nil }
      }
      var stride = strides[solid[last]]
      for index in (to..<end).reversed() {
        result[index] = stride
        stride *= new[index]
      }
      (from, to) = (last + 1, end)
    }
    return Layout(strides: result)
  }
}
