/// Nests of loops by their sizes.
enum Nest {
  /// Boxes of a nest that hold at most `capacity` points each, as ranges per loop, in order.
  static func boxes(_ sizes: [Int], capacity: Int) -> [[Range<Int>]] {
    var pieces = sizes
    var room = max(capacity, 1)
    for index in sizes.indices.reversed() {
      pieces[index] = min(sizes[index], room)
      room = pieces[index] == sizes[index] ? room / max(sizes[index], 1) : 1
      room = max(room, 1)
    }
    var result: [[Range<Int>]] = [[]]
    for (size, piece) in zip(sizes, pieces) {
      let ranges = stride(from: 0, to: size, by: piece).map { $0..<min($0 + piece, size) }
      result = result.flatMap { box in ranges.map { box + [$0] } }
    }
    return result
  }

  /// The next index, the last loop fastest; false behind the last one, when all are 0 again.
  static func advance(_ index: inout [Int], _ sizes: [Int]) -> Bool {
    for loop in sizes.indices.reversed() {
      index[loop] += 1
      if index[loop] < sizes[loop] { return true }
      index[loop] = 0
    }
    return false
  }
}
