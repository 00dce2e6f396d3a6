import Machine
import NPUISA
import Support
import Tensors

/// What blocks get from a neighbour: coordinates, as those of block 0.
private struct HaloSide {
  /// Where the neighbour has them, and where they come to lie.
  var source: Int
  var target: Int
  var count: Int
  /// Slices from the neighbour on.
  var distance: Int
}

extension Placement.Dimension {
  /// What comes from the neighbour so many blocks away, of as many coordinates on that side as are wanted; nil where nearer ones
  /// have all. A block has its step, in the neighbour's coordinates, before the first and behind the last of its own.
  fileprivate func side(hop: Int, of wanted: Int, isBehind: Bool) -> HaloSide? {
    let nearer = (hop - 1) * step
    let count = min(wanted - nearer, step)
    guard count > 0 else { return nil }
    let target = isBehind ? origin + span + nearer : origin - nearer - count
    return HaloSide(
      source: isBehind ? target - hop * step : target + hop * step, target: target, count: count,
      distance: isBehind ? -hop * sliceStride : hop * sliceStride)
  }
}

extension ProgramCompiler {
  /// Copies what a placement gains over the one it grew from out of the neighbouring blocks: one pass over the ring of
  /// slices per dimension and distance. A later dimension takes along what earlier ones gained.
  mutating func fetchHalos(of home: Home, until grown: Placement, sliceCount: Int) {
    let bytes = home.owned ?? 0..<machine.sramBytesPerSlice
    var now = home.placement
    // Short distances first: what they gain is passed on.
    let order = now.dimensions.indices.sorted {
      (now.dimensions[$0].sliceStride, $0) < (now.dimensions[$1].sliceStride, $1)
    }
    for index in order {
      let before = now.dimensions[index].origin - grown.dimensions[index].origin
      let behind = grown.dimensions[index].span - now.dimensions[index].span - before
      let first = now.dimensions[index]
      var hop = 1
      while true {
        let sides = [
          first.side(hop: hop, of: before, isBehind: false), first.side(hop: hop, of: behind, isBehind: true),
        ].compactMap(\.self)
        guard let side = sides.first else { break }
        if sides.count > 1, side.count == sides[1].count, now.dimensions.count < 7 {
          pass(now, index, sides, bytes, sliceCount)
        } else {
          for side in sides { pass(now, index, [side], bytes, sliceCount) }
        }
        hop += 1
      }
      now.dimensions[index].origin -= before
      now.dimensions[index].span += before + behind
      now.base -= before * first.stride
    }
  }

  /// Moves coordinates of a dimension from every slice to a neighbour, or as many to that on the other side in turn.
  private mutating func pass(
    _ placement: Placement, _ index: Int, _ sides: [HaloSide], _ bytes: Range<Int>, _ sliceCount: Int
  ) {
    let moved = placement.dimensions[index]
    let (side, source) = (sides[0], sides[0].source)
    var loops: [(size: Int, stride: Int, dimension: Int)] = []
    for (other, dimension) in placement.dimensions.enumerated() {
      loops.append((other == index ? side.count : dimension.span, dimension.stride, other))
    }
    loops.sort { $0.stride > $1.stride }
    // The longest packet that the innermost run is made of; padding behind a run may be moved with it.
    var length = placement.element.size
    let bounded =
      placement.isWhole ? [] : placement.dimensions.indices.filter { placement.dimensions[$0].isUneven }
    while let last = loops.last, !bounded.contains(last.dimension), last.stride == length || last.size == 1 {
      loops.removeLast()
      guard last.size > 1 else { continue }
      length *= last.size
      // Padding behind the innermost dimension is moved with it where it is defined: by all passes, since a later one may
      // pass on what an earlier one brought.
      let innermost = placement.dimensions[last.dimension]
      let pitch = placement.dimensions.indices.filter {
        $0 != last.dimension && placement.dimensions[$0].isSpread
      }.map { placement.dimensions[$0].stride }.min()
      if innermost.stride == placement.element.size, let pitch, pitch % 8 == 0, pitch > length,
        pitch - length < 8,
        innermost.defined * placement.element.size >= pitch
      {
        length = pitch
      }
    }
    let packet = [16, 8, 4, 2, 1].first { length % $0 == 0 } ?? 1
    if length > packet { loops.append((length / packet, packet, -1)) }
    loops.removeAll { $0.size == 1 }
    var body = TensorInstruction()
    body.sliceCount = UInt16(sliceCount)
    body.fetch.element = packet >= 4 ? .i32 : .i8
    body.fetch.packetElements = UInt8(packet >= 4 ? packet / 4 : packet)
    let base = placement.base
    body.fetch.base = Int32(base + (source - moved.origin) * moved.stride)
    body.exchange.kind = sides.count > 1 ? .neighbours : .shift
    body.exchange.outer = UInt16(sliceCount)
    body.exchange.distance = Int16(side.distance)
    var between = 0
    if let other = sides.dropFirst().first {
      between = other.source - source
      var direction = TensorInstruction.Loop()
      direction.size = 2
      direction.fetchStride = Int32(between * moved.stride)
      direction.commitStride = Int32((other.target - side.target) * moved.stride)
      body.loops.append(direction)
    }
    for loop in loops {
      var entry = TensorInstruction.Loop()
      entry.size = UInt32(loop.size)
      entry.fetchStride = Int32(loop.stride)
      entry.commitStride = Int32(loop.stride)
      body.loops.append(entry)
    }
    if !placement.isWhole {
      // What lies beyond the extent may be undefined.
      for other in bounded {
        let dimension = placement.dimensions[other]
        var bound = TensorInstruction.Bound()
        bound.origin = Int32(other == index ? source : dimension.origin)
        bound.coefficients = loops.map { $0.dimension == other ? 1 : 0 }
        if sides.count > 1 { bound.coefficients.insert(other == index ? Int32(between) : 0, at: 0) }
        bound.divisor = UInt16(dimension.sliceStride)
        bound.modulus = UInt16(dimension.blocks)
        bound.step = Int32(dimension.step)
        bound.high = Int32(dimension.extent)
        body.fetch.bounds.append(bound)
      }
    }
    var commit = TensorInstruction.Commit()
    commit.base = Int32(base + (side.target - moved.origin) * moved.stride)
    commit.element = body.fetch.element
    commit.elements = body.fetch.packetElements
    body.sink = .commit(commit)
    // Others read what lies between meanwhile.
    let slices = 0..<sliceCount
    func span(_ coordinate: Int) -> Range<Int> {
      TensorInstruction.span(
        base + (coordinate - moved.origin) * moved.stride, loops.map { ($0.size, $0.stride) }, packet
      ).clamped(to: bytes)
    }
    run.appendToEither(
      body,
      sides.flatMap { side -> [Access] in
        [.read(.sram, span(side.source), slices: slices), .write(.sram, span(side.target), slices: slices)]
      })
  }
}
