import Machine
import NPUISA
import Support

/// Where the runs of a descriptor lie. Addresses that an index list decides are known only when it runs.
struct DMAPlan: Sendable {
  let body: DMAInstruction
  let runs: Int
  let runBytes: Int
  let sizes: [Int]

  init(_ body: DMAInstruction, context: Context, on machine: SliceMachine) throws(Diagnostic) {
    let broken = Instruction(.dma(body)).check(on: machine, context: context, programs: [])
    if let first = broken.first { throw first }
    self.body = body
    runs = body.runs
    runBytes = Int(body.runBytes)
    sizes = body.loops.map { Int($0.size) }
    for (place, stride) in [
      (body.source, \DMAInstruction.Loop.sourceStride), (body.destination, \.destinationStride),
    ] {
      let strides = body.loops.map { $0[keyPath: stride] }
      guard abs(place.base) < 1 << 45, strides.allSatisfy({ $0.magnitude < 1 << 45 }) else {
        throw Diagnostic(.addressRange, "DMA addresses beyond 2^45")
      }
    }
  }

  /// The entries of the index list as rows, checked. - Throws: `indexOutOfRange`; `addressRange`.
  func rows(_ state: MachineState) throws(Diagnostic) -> [Int] {
    guard let index = body.index, let first = sizes.first else { return [] }
    let list = try state.address(index.list.memory, index.list.base, 4 * first)
    var rows: [Int] = []
    for step in 0..<first {
      let entry = Int((list + 4 * step).loadUnaligned(as: Int32.self))
      let rowCount = Int(index.rows)
      guard entry >= -rowCount, entry < rowCount else {
        throw Diagnostic(
          .indexOutOfRange, "entry \(step) of the index list is \(entry), there are \(rowCount) rows")
      }
      rows.append(entry < 0 ? entry + rowCount : entry)
    }
    return rows
  }

  /// Calls `body` with the source and destination address of every run, in order.
  func forEachRun(
    _ rows: [Int], _ visit: (Int64, Int64) throws(Diagnostic) -> Void
  ) throws(Diagnostic) {
    var index = [Int](repeating: 0, count: sizes.count)
    let loops = body.loops
    for _ in 0..<runs {
      var (source, destination) = (body.source.base, body.destination.base)
      for (number, loop) in loops.enumerated() {
        let isListed = number == 0 && body.index != nil
        let step = Int64(index[number])
        let row = isListed ? Int64(rows[index[number]]) : step
        source += (body.index?.side == .gather && isListed ? row : step) * loop.sourceStride
        destination += (body.index?.side == .scatter && isListed ? row : step) * loop.destinationStride
      }
      try visit(source, destination)
      for number in index.indices.reversed() {
        index[number] += 1
        if index[number] < sizes[number] { break }
        index[number] = 0
      }
    }
  }
}
