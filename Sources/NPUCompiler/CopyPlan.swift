import NPUISA
import Tensors

/// Descriptors that copy a box of elements from one placement to another. The axes of the copy are the
/// dimensions of the destination; coordinates of the source are affine in them.
struct CopyPlan {
  /// A coordinate of the source: Σ coefficient · axis + offset.
  struct SourceMap {
    var terms: [(axis: Int, coefficient: Int)]
    var offset: Int

    static func axis(_ axis: Int) -> SourceMap { SourceMap(terms: [(axis, 1)], offset: 0) }
  }

  private(set) var descriptors: [DMAInstruction] = []

  /// - Parameters:
  ///   - source: every coordinate in one block; nil copies `fill` bytes, a place in DRAM that repeats.
  ///   - ranges: per axis, the coordinates of the destination to write.
  ///   - copies: the destination again, `sliceStride` slices apart, per entry.
  /// - Returns: nil where a blocked dimension of the source moves with two axes.
  init?(
    from source: Placement, _ maps: [SourceMap], to destination: Placement, ranges: [Range<Int>],
    copies: [(count: Int, sliceStride: Int)] = [], window: Int
  ) {
    var sourceBase = source.base
    for (dimension, map) in zip(source.dimensions, maps) {
      if dimension.blocks > 1 {
        guard map.terms.count <= 1 else { return nil }
        if map.terms.isEmpty {
          let block = map.offset / dimension.step
          sourceBase += source.address(map.offset, of: dimension, block: block, window)
        }
      } else {
        sourceBase += (map.offset - dimension.origin) * dimension.stride
      }
    }
    var axes: [[Segment]] = []
    for axis in ranges.indices {
      let pieces = Self.pieces(axis, source, maps, destination, ranges[axis], window)
      axes.append(Segment.grouping(pieces))
    }
    guard axes.allSatisfy({ !$0.isEmpty }) else { return }
    var choice = [Int](repeating: 0, count: axes.count)
    repeat {
      let segments = zip(axes, choice).map { $0[$1] }
      emit(segments, source.memory, sourceBase, destination, copies, window)
    } while Nest.advance(&choice, axes.map(\.count))
    descriptors = descriptors.merged(window: window)
  }

  /// The parts of an axis that lie in one block of the destination and in one block of every source dimension.
  private static func pieces(
    _ axis: Int, _ source: Placement, _ maps: [SourceMap], _ destination: Placement, _ range: Range<Int>,
    _ window: Int
  ) -> [Piece] {
    let target = destination.dimensions[axis]
    var moving: [(dimension: Placement.Dimension, coefficient: Int, offset: Int)] = []
    var linear = 0
    for (dimension, map) in zip(source.dimensions, maps) {
      for term in map.terms where term.axis == axis {
        if dimension.blocks > 1 {
          moving.append((dimension, term.coefficient, map.offset))
        } else {
          linear += term.coefficient * dimension.stride
        }
      }
    }
    let sourceStep = linear + moving.reduce(0) { $0 + $1.coefficient * $1.dimension.stride }
    var pieces: [Piece] = []
    for block in 0..<target.blocks {
      let first = target.origin + block * target.step
      var start = max(first, range.lowerBound)
      let end = min(first + target.span, range.upperBound)
      while start < end {
        var next = end
        var address = linear * start
        for part in moving {
          let coordinate = part.coefficient * start + part.offset
          let owner = coordinate / part.dimension.step
          address += source.address(coordinate, of: part.dimension, block: owner, window)
          if part.coefficient > 0 {
            let boundary = (owner + 1) * part.dimension.step - part.offset
            next = min(next, (boundary + part.coefficient - 1) / part.coefficient)
          } else if part.coefficient < 0 {
            // The first index whose coordinate is below the block's first.
            next = min(next, (part.offset - owner * part.dimension.step) / -part.coefficient + 1)
          }
        }
        let place = destination.address(start, of: target, block: block, window)
        pieces.append(
          Piece(
            source: address, destination: place, offset: target.blocks > 1 ? start - first : 0,
            length: next - start,
            sourceStep: sourceStep, destinationStep: target.stride))
        start = next
      }
    }
    return pieces
  }

  struct Piece {
    var source: Int
    var destination: Int
    /// Of the first coordinate in its block of the destination; 0 if there is but one.
    var offset: Int
    var length: Int
    var sourceStep: Int
    var destinationStep: Int
  }

  /// Pieces of one length at equal distances.
  struct Segment {
    var piece: Piece
    var count = 1
    var sourceStride = 0
    var destinationStride = 0

    static func grouping(_ pieces: [Piece]) -> [Segment] {
      var segments: [Segment] = []
      var rest = pieces
      while !rest.isEmpty {
        var segment = Segment(piece: rest.removeFirst())
        var last = segment.piece
        var index = 0
        while index < rest.count {
          let piece = rest[index]
          let source = piece.source - last.source
          let target = piece.destination - last.destination
          let fits =
            segment.count == 1 || (source == segment.sourceStride && target == segment.destinationStride)
          if piece.length == last.length, piece.offset == last.offset, fits {
            segment.sourceStride = source
            segment.destinationStride = target
            segment.count += 1
            last = piece
            rest.remove(at: index)
          } else {
            index += 1
          }
        }
        segments.append(segment)
      }
      return segments
    }
  }

  private struct Loop {
    var size: Int
    var source: Int
    var destination: Int
  }

  private mutating func emit(
    _ segments: [Segment], _ memory: DMAInstruction.Memory, _ sourceBase: Int, _ destination: Placement,
    _ copies: [(count: Int, sliceStride: Int)], _ window: Int
  ) {
    let size = destination.element.size
    var source = sourceBase
    var target = destination.base
    var loops = copies.map { Loop(size: $0.count, source: 0, destination: $0.sliceStride * window) }
    for segment in segments {
      source += segment.piece.source
      target += segment.piece.destination
      loops.append(
        Loop(size: segment.count, source: segment.sourceStride, destination: segment.destinationStride))
      loops.append(
        Loop(
          size: segment.piece.length, source: segment.piece.sourceStep,
          destination: segment.piece.destinationStep))
    }
    loops.removeAll { $0.size == 1 }
    // Small strides of the destination inside: the longest runs, and neighbours merge.
    loops.sort {
      ($0.destination.magnitude, $0.source.magnitude) > ($1.destination.magnitude, $1.source.magnitude)
    }
    var run = size
    if let last = loops.last, last.source == size, last.destination == size {
      run = last.size * size
      loops.removeLast()
      while let next = loops.last, next.source == run, next.destination == run {
        run *= next.size
        loops.removeLast()
      }
    }
    var merged: [Loop] = []
    for loop in loops {
      if let outer = merged.last, outer.source == loop.source * loop.size,
        outer.destination == loop.destination * loop.size
      {
        merged[merged.count - 1] = Loop(
          size: outer.size * loop.size, source: loop.source, destination: loop.destination)
      } else {
        merged.append(loop)
      }
    }
    append(merged, memory, source, destination.memory, target, run)
  }

  /// Splits what a descriptor cannot hold: runs above 4096 bytes, loops above 65,536, more than eight loops.
  private mutating func append(
    _ loops: [Loop], _ from: DMAInstruction.Memory, _ source: Int, _ to: DMAInstruction.Memory, _ target: Int,
    _ run: Int
  ) {
    if run > 4096 {
      let whole = run / 4096
      append(loops + [Loop(size: whole, source: 4096, destination: 4096)], from, source, to, target, 4096)
      let rest = run - whole * 4096
      if rest > 0 { append(loops, from, source + whole * 4096, to, target + whole * 4096, rest) }
      return
    }
    if let index = loops.firstIndex(where: { $0.size > 65_536 }) {
      let loop = loops[index]
      let (whole, rest) = (loop.size / 65_536, loop.size % 65_536)
      var nested = loops
      nested[index].size = 65_536
      nested.insert(
        Loop(size: whole, source: loop.source * 65_536, destination: loop.destination * 65_536), at: index)
      append(nested.filter { $0.size > 1 }, from, source, to, target, run)
      guard rest > 0 else { return }
      var tail = loops
      tail[index].size = rest
      let done = whole * 65_536
      append(tail, from, source + done * loop.source, to, target + done * loop.destination, run)
      return
    }
    if loops.count > 8 {
      for index in 0..<loops[0].size {
        append(
          Array(loops.dropFirst()), from, source + index * loops[0].source, to,
          target + index * loops[0].destination, run)
      }
      return
    }
    descriptors.append(
      DMAInstruction(
        from: .init(from, Int64(source)), to: .init(to, Int64(target)), run: UInt32(run),
        loops.map { .init(UInt32($0.size), source: Int64($0.source), destination: Int64($0.destination)) }))
  }
}
