import KernelIR
import Support
import Tensors

/// A constant list of rows as few runs of constant distance: position `a · period + phase` reads the row
/// `row + (a − range.lowerBound) · step` of the piece whose range has a.
struct RowPattern {
  struct Piece {
    var phase: Int
    var range: Range<Int>
    var row: Int
    var step: Int
  }

  /// Positions per phase.
  let count: Int
  let period: Int
  let pieces: [Piece]

  /// - Returns: nil where no period up to 8 leaves at most 32 pieces, or an index is out of range.
  init?(_ list: Tensor, rows: Int) {
    guard list.type.element == .i32, list.type.shape.count == 1, list.type.shape[0] > 1 else { return nil }
    let stored = list.withBytes { bytes in
      (0..<(bytes.count / 4)).map { index in
        (0..<4).reduce(UInt32(0)) { $0 | UInt32(bytes[index * 4 + $1]) << UInt32(8 * $1) }
      }
    }
    let indices = stored.map { word in
      let index = Int(Int32(bitPattern: word))
      return index < 0 ? index + rows : index
    }
    guard indices.allSatisfy({ (0..<rows).contains($0) }) else { return nil }
    var best: (period: Int, pieces: [Piece])?
    for period in 1...8 where indices.count % period == 0 {
      let pieces = (0..<period).flatMap { Self.pieces(indices, period, phase: $0) }
      if pieces.count < best?.pieces.count ?? 33 { best = (period, pieces) }
    }
    guard let best else { return nil }
    period = best.period
    pieces = best.pieces
    count = indices.count / best.period
  }

  private static func pieces(_ indices: [Int], _ period: Int, phase: Int) -> [Piece] {
    let rows = stride(from: phase, to: indices.count, by: period).map { indices[$0] }
    var pieces: [Piece] = []
    var start = 0
    while start < rows.count {
      var end = start + 1
      let step = end < rows.count ? rows[end] - rows[start] : 0
      // Moves go forwards; a step that lasts for one row only is the next run's.
      while step >= 0, end < rows.count, rows[end] - rows[end - 1] == step { end += 1 }
      if end - start == 2, end < rows.count { end = start + 1 }
      pieces.append(
        Piece(phase: phase, range: start..<end, row: rows[start], step: end - start > 1 ? step : 0))
      start = end
    }
    return pieces
  }
}
