/// Rows of a matrix product whose distance is a multiple of a page, or nearly all of them would fall into the same
/// few sets of the first cache. They are copied to where they lie a little further apart.
struct StagedRows: Sendable {
  /// Elements from row to row of the copy.
  let pitch: Int
  /// Of the rows of a block, into the copy.
  let offsets: [Int64]

  init(pitch: Int, rows: Int) {
    self.pitch = pitch
    offsets = (0..<rows).map { Int64($0 * pitch) }
  }

  /// The pitch for rows of `run` elements that lie `step` elements apart, or nil where they are fine as they are
  /// or too few columns would use the copy.
  static func pitch(run: Int, step: Int, size: Int, columns: Int) -> Int? {
    guard step > 0, step * size % 4096 == 0, run * size >= 1024, columns >= 128 else { return nil }
    // Whole cache lines, an odd number of them.
    let lines = (run * size + 63) / 64 | 1
    return lines * 64 / size
  }

  /// Rows of a block whose copy leaves half of a second-level cache to the other operand.
  static func most(_ pitch: Int, size: Int) -> Int { max(24, (1 << 19) / (pitch * size) / 12 * 12) }
}
