import KernelIR
import Machine
import NPUISA
import Support
import Tensors

/// Blocks that the switch brings together: of a dimension, `count` neighbours at a time.
private struct Merge {
  var dimension: Int
  var count: Int
  /// What comes of them.
  var merged: Placement.Dimension
  /// The dimension whose parts are dealt out in exchange, and what comes of it.
  var dealt: (index: Int, dimension: Placement.Dimension)?

  /// - Returns: nil where the blocks that are wanted are not such neighbours.
  init?(_ index: Int, _ has: Placement.Dimension, _ wants: Placement.Dimension) {
    guard has.blocks % wants.blocks == 0, has.origin == 0, has.span == has.step else { return nil }
    dimension = index
    count = has.blocks / wants.blocks
    guard count & (count - 1) == 0, has.sliceStride & (has.sliceStride - 1) == 0 else { return nil }
    merged = has
    merged.blocks = wants.blocks
    merged.step = has.step * count
    merged.span = merged.step
    merged.defined = merged.step
    (merged.roomBefore, merged.roomBehind) = (0, 0)
    merged.sliceStride = wants.blocks > 1 ? has.sliceStride * count : 0
    guard wants.blocks > 1 else { return }
    guard let room = wants.withRoom, wants.sliceStride == merged.sliceStride, wants.step == merged.step else {
      return nil
    }
    (merged.roomBefore, merged.roomBehind) = (room.roomBefore, room.roomBehind)
  }

  /// Deals a dimension that lies whole out over the slices that are brought together.
  mutating func deal(_ index: Int, _ has: Placement.Dimension, _ wants: Placement.Dimension, from stride: Int)
    -> Bool
  {
    guard has.blocks == 1, has.origin == 0, has.span == has.extent, wants.blocks == count,
      wants.sliceStride == stride, wants.step * count >= has.extent, let room = wants.withRoom
    else { return false }
    dealt = (index, room)
    return true
  }
}

/// A dimension that is wanted whole, in as many parts as a digit has slices.
private struct Dealing {
  /// Of the parts, in bytes that begin at offset 0.
  let placement: Placement
  let bytes: Int
  /// Brings them together.
  let pass: MergePass

  /// - Returns: nil where there are no such parts: of rows in eights, or of another dimension in the blocks that it lies in.
  init?(
    _ need: [Placement.Dimension], _ lying: Placement, _ index: Int, over digit: Geometry.Digit, order: [Int],
    _ innermost: Int, _ operand: Operand, _ sliceCount: Int
  ) {
    let whole = need[index]
    var step = whole.extent / digit.count
    guard whole.blocks == 1, whole.origin == 0, whole.span == whole.extent else { return nil }
    if index == innermost {
      guard whole.extent % (digit.count * 8) == 0 else { return nil }
    } else {
      guard lying.dimensions[index].blocks == digit.count, lying.order.last == innermost else { return nil }
      step = lying.dimensions[index].step
    }
    var parts = need
    parts[index].blocks = digit.count
    parts[index].step = step
    parts[index].span = step
    parts[index].defined = step
    parts[index].sliceStride = digit.sliceStride
    bytes = Placement.pack(&parts, order: order, unit: operand.type.element.size)
    placement = Placement(sram: 0, parts, operand.type.element)
    guard let joining = Merge(index, parts[index], whole),
      let pass = MergePass(placement, joining, innermost, sliceCount)
    else { return nil }
    self.pass = pass
  }
}

extension Placement.Dimension {
  /// Cut as wanted, with room for what it shares with its neighbours; nil where there cannot be any.
  fileprivate var withRoom: Placement.Dimension? {
    var room = self
    room.setRoom()
    guard room.origin == 0, room.span == room.step else { return nil }
    room.defined = room.step
    return room
  }
}

extension ProgramCompiler {
  /// A value with dimensions cut over digits of the slice number, in every slice of such a digit as one larger block, or with
  /// another dimension cut over that digit instead: the switch brings a slice what its neighbours have, where a copy by DMA would
  /// take time for every run. The tile ends with the kernel.
  /// - Returns: nil where the value does not lie so, or some dimension is wanted in another way.
  mutating func collected(
    _ buffer: BufferID, _ operand: Operand, _ need: [Placement.Dimension], _ geometry: Geometry,
    contiguous: Int?, origin: [Int]
  ) -> Tile? {
    guard let home = homes[buffer], home.placement.memory == .sram, home.placement.isWhole,
      geometry.sliceCount & (geometry.sliceCount - 1) == 0
    else { return nil }
    let has = home.placement.dimensions
    let cut = need.indices.filter { has[$0].blocks > need[$0].blocks }
    var merges = cut.compactMap { Merge($0, has[$0], need[$0]) }
    guard !merges.isEmpty, merges.count == cut.count else { return nil }
    // All else as it lies.
    var lying = need
    for merge in merges { lying[merge.dimension] = has[merge.dimension] }
    for index in need.indices where has[index].blocks < need[index].blocks {
      let digit = merges.firstIndex {
        has[$0.dimension].sliceStride == need[index].sliceStride && $0.dealt == nil
      }
      guard let digit,
        merges[digit].deal(index, has[index], need[index], from: has[merges[digit].dimension].sliceStride)
      else { return nil }
      lying[index] = has[index]
    }
    // Every other digit tells blocks apart, or the value repeats along it.
    let apart = has.reduce(1) { $0 * $1.blocks }
    guard home.placement.sliceCount <= geometry.sliceCount,
      apart == geometry.sliceCount || home.placement.repeats >= geometry.sliceCount
    else { return nil }
    // Of a larger block there is more halo to shift, of a smaller one it must be brought along.
    var source = home.placement
    let near = merges.map { has[$0.dimension].sliceStride }.min() ?? 1
    if !source.satisfies(lying, contiguous: contiguous, padding: 1) {
      guard let grown = source.grown(to: lying), grown.satisfies(lying, contiguous: contiguous, padding: 1)
      else { return nil }
      let isLate = has.indices.allSatisfy {
        has[$0].sliceStride <= near || grown.dimensions[$0].span == has[$0].span
      }
      if !isLate {
        fetchHalos(of: home, until: grown, sliceCount: geometry.sliceCount)
        source = grown
        source.repeats = min(grown.repeats, geometry.sliceCount)
        homes[buffer]?.placement = source
      }
    }
    guard let innermost = source.order.last, source.dimensions[innermost].stride == source.element.size,
      contiguous == nil || contiguous == innermost
    else { return nil }
    var collected = Home(placement: source, owned: home.owned ?? 0..<machine.sramBytesPerSlice)
    // The fewest bytes first.
    for merge in merges.sorted(by: { ($0.count, $0.dimension) < ($1.count, $1.dimension) }) {
      guard let pass = MergePass(collected.placement, merge, innermost, geometry.sliceCount),
        let next = merging(collected, pass, geometry.sliceCount)
      else { return nil }
      collected = next
    }
    if !collected.placement.satisfies(need, contiguous: contiguous, padding: 1) {
      guard let grown = collected.placement.grown(to: need),
        grown.satisfies(need, contiguous: contiguous, padding: 1)
      else { return nil }
      fetchHalos(of: collected, until: grown, sliceCount: geometry.sliceCount)
      collected.placement = grown
    }
    let bytes = collected.owned ?? 0..<machine.sramBytesPerSlice
    return Tile(placement: collected.placement, operand: operand, origin: origin, bytes: bytes)
  }

  /// A value that all slices of a digit want alike, from elsewhere: a part is copied to each, and the switch brings them
  /// together. The tile ends with the kernel.
  /// - Parameter order: of the dimensions in the tile.
  /// - Returns: nil where there are no such digits, or no parts.
  mutating func broughtInParts(
    _ home: Home, _ operand: Operand, _ need: [Placement.Dimension], _ geometry: Geometry, order: [Int],
    origin: [Int]
  ) throws(Failure) -> Tile? {
    let copies = geometry.copies(of: operand)
    guard let digit = copies.max(by: { ($0.count, $0.sliceStride) < ($1.count, $1.sliceStride) }),
      let innermost = order.last, digit.count > 1, geometry.sliceCount & (geometry.sliceCount - 1) == 0
    else { return nil }
    let others = copies.filter { $0 != digit }
    // Parts of rows, or blocks as they lie.
    let dealings = need.indices.compactMap { index in
      Dealing(need, home.placement, index, over: digit, order: order, innermost, operand, geometry.sliceCount)
    }
    func ticks(_ dealing: Dealing) -> Int {
      guard let plan = try? plan(home.placement, dealing.placement, others) else { return .max }
      return self.ticks(copying: plan)
        + Instruction(.tensor(dealing.pass.body)).duration(on: machine, context: .main, programs: []).ticks
    }
    let fastest =
      dealings.count > 1
      ? dealings.map { (dealing: $0, ticks: ticks($0)) }.min { $0.ticks < $1.ticks }?.dealing
      : dealings.first
    guard let dealing = fastest, let offset = sram.allocate(dealing.bytes) else { return nil }
    // Nothing is emitted where there is no room for the tile beside its parts.
    guard let room = sram.allocate(dealing.pass.bytes) else {
      sram.free(offset)
      return nil
    }
    temporaries += [offset, room]
    var placement = dealing.placement
    placement.base = offset
    var pass = dealing.pass
    pass.read(at: offset)
    let from = transposed(home, innermost: innermost)?.placement
    // The switch reads blocks whole.
    if placement.dimensions.contains(where: \.isUneven) {
      clear(offset..<(offset + dealing.bytes), slices: geometry.sliceCount, isLoad: false)
    }
    try copyValue(from ?? home.placement, to: placement, copies: others)
    let lying = Home(placement: placement, owned: offset..<(offset + dealing.bytes))
    let tile = merge(lying, pass, geometry.sliceCount, at: room)
    return Tile(
      placement: tile.placement, operand: operand, origin: origin,
      bytes: tile.owned ?? 0..<machine.sramBytesPerSlice)
  }

  /// What comes of a value that is on its way to DRAM, row-major: parts of rows, and rows, are brought together first where the
  /// switch takes less for that than the engines for shorter runs and for the parts of DRAM's granules.
  mutating func joined(_ home: Home, to target: Placement) -> Placement {
    var home = home
    let count = home.placement.sliceCount
    // Every slice has something.
    guard home.placement.memory == .sram,
      home.placement.isWhole || !home.placement.dimensions.contains(where: \.isUneven),
      home.placement.repeats >= count || home.placement.dimensions.reduce(1, { $0 * $1.blocks }) == count
    else { return home.placement }
    func copyTicks(_ from: Placement) -> Int {
      (try? plan(from, target, [])).map { self.ticks(copying: $0) } ?? Int.max / 2
    }
    // The inner dimensions of DRAM first.
    for index in home.placement.dimensions.indices.reversed()
    where home.placement.dimensions[index].blocks > 1 {
      var best = (ticks: copyTicks(home.placement), pass: MergePass?.none)
      for pass in home.placement.passes(joining: index, count) {
        let switching = Instruction(.tensor(pass.body)).duration(on: machine, context: .main, programs: [])
        let ticks = switching.ticks + copyTicks(pass.placement)
        if ticks < best.ticks { best = (ticks, pass) }
      }
      if let pass = best.pass, let next = merging(home, pass, count) { home = next }
    }
    return home.placement
  }

  /// One pass of the switch; nil where there is no room.
  private mutating func merging(_ home: Home, _ pass: MergePass, _ sliceCount: Int) -> Home? {
    guard let offset = sram.allocate(pass.bytes) else { return nil }
    temporaries.append(offset)
    return merge(home, pass, sliceCount, at: offset)
  }

  /// One pass of the switch into room that is there.
  private mutating func merge(_ home: Home, _ pass: MergePass, _ sliceCount: Int, at offset: Int) -> Home {
    var (body, placement) = (pass.body, pass.placement)
    placement.base += offset
    if case .commit(var commit) = body.sink {
      commit.base = Int32(placement.base)
      body.sink = .commit(commit)
    }
    let slices = 0..<sliceCount
    let bytes = offset..<(offset + pass.bytes)
    let read = home.owned ?? 0..<machine.sramBytesPerSlice
    run.appendToEither(
      body, [.read(.sram, read, slices: slices), .write(.sram, bytes, slices: slices)])
    return Home(placement: placement, owned: bytes)
  }
}

extension Placement {
  /// Passes that bring 2, 4, 8 … neighbours of a dimension together.
  fileprivate func passes(joining index: Int, _ sliceCount: Int) -> [MergePass] {
    guard let innermost = order.last, dimensions[innermost].stride == element.size else { return [] }
    let has = dimensions[index]
    return (1..<8).compactMap { bits in
      let count = 1 << bits
      guard has.blocks % count == 0, sliceCount % (count * has.sliceStride) == 0 else { return nil }
      var wants = has
      wants.blocks /= count
      if wants.blocks == 1 {
        wants = Dimension(extent: has.extent, stride: 0)
      } else {
        (wants.step, wants.span, wants.defined) = (has.step * count, has.step * count, has.step * count)
        (wants.roomBefore, wants.roomBehind) = (0, 0)
        wants.sliceStride *= count
      }
      return Merge(index, has, wants).flatMap { MergePass(self, $0, innermost, sliceCount) }
    }
  }
}

/// One pass of the switch that brings blocks together.
private struct MergePass {
  /// Commits as if the bytes began at offset 0.
  private(set) var body = TensorInstruction()
  /// What comes of the value, in bytes that begin at offset 0.
  private(set) var placement: Placement
  let bytes: Int

  /// - Precondition: the pass was made for blocks that begin at offset 0.
  mutating func read(at offset: Int) { body.fetch.base += Int32(offset) }

  /// - Returns: nil where an instruction cannot do it.
  init?(_ source: Placement, _ merge: Merge, _ innermost: Int, _ sliceCount: Int) {
    let (size, index) = (source.element.size, merge.dimension)
    let own = source.dimensions[index]
    var whole = source.dimensions
    whole[index] = merge.merged
    if let dealt = merge.dealt { whole[dealt.index] = dealt.dimension }
    // Padding is left behind.
    for dimension in whole.indices { whole[dimension].defined = whole[dimension].span }
    bytes = Placement.pack(&whole, order: source.order, unit: size)
    // Packets of what lies side by side on both sides.
    func count(_ dimension: Int) -> Int { dimension == index ? own.step : whole[dimension].span }
    let length = count(innermost) * size
    let packet = [16, 8, 4, 2, 1].first { length % $0 == 0 } ?? 1
    // Coordinates of what is dealt out: its last part may reach beyond the end.
    var bound = TensorInstruction.Bound()
    var loops: [TensorInstruction.Loop] = []
    func append(
      _ count: Int, _ fetch: Int, _ commit: Int, _ kind: TensorInstruction.Loop.Kind = .time,
      coordinates: Int = 0
    ) {
      guard count > 1 else { return }
      var loop = TensorInstruction.Loop()
      loop.size = UInt32(count)
      loop.kind = kind
      loop.fetchStride = Int32(fetch)
      loop.commitStride = Int32(commit)
      loops.append(loop)
      bound.coefficients.append(Int32(coordinates))
    }
    if let dealt = merge.dealt {
      let step = dealt.dimension.step
      append(merge.count, step * source.dimensions[dealt.index].stride, 0, coordinates: step)
    }
    for dimension in source.order where dimension != innermost {
      append(
        count(dimension), source.dimensions[dimension].stride, whole[dimension].stride,
        coordinates: dimension == merge.dealt?.index ? 1 : 0)
    }
    let elements = packet / size
    append(length / packet, packet, packet, coordinates: innermost == merge.dealt?.index ? elements : 0)
    append(merge.count, 0, own.step * whole[index].stride, .ring1)
    guard loops.count <= 8 else { return nil }
    body.loops = loops
    body.fetch.element = packet >= 4 ? .i32 : .i8
    body.fetch.packetElements = UInt8(packet / body.fetch.element.size)
    if let dealt = merge.dealt, dealt.dimension.step * merge.count > dealt.dimension.extent {
      // A packet that the end cuts comes in single elements.
      guard innermost != dealt.index || dealt.dimension.extent % elements == 0 else { return nil }
      bound.high = Int32(dealt.dimension.extent)
      body.fetch.bounds = [bound]
    }
    body.sliceCount = UInt16(sliceCount)
    body.fetch.base = Int32(source.base)
    body.exchange.kind = merge.dealt == nil ? .broadcast1 : .interTranspose
    body.exchange.outer = UInt16(merge.count)
    body.exchange.inner = UInt16(own.sliceStride)
    var commit = TensorInstruction.Commit()
    commit.element = body.fetch.element
    commit.elements = body.fetch.packetElements
    body.sink = .commit(commit)
    let base = whole.reduce(0) { $0 + $1.roomBefore * $1.stride }
    if whole[index].blocks == 1 {
      // What the last block holds beyond the extent lies behind it.
      whole[index].span = own.extent
      whole[index].step = own.extent
    }
    placement = Placement(sram: base, whole, source.element)
    placement.repeats = sliceCount
  }
}
