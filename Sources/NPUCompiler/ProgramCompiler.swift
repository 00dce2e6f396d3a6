import KernelIR
import Machine
import NPUISA
import Support
import Tensors

/// Why an attempt to place a kernel ended.
enum Failure: Error {
  /// Memory: another mapping, or smaller pieces, may do.
  case doesNotFit(String)
  /// No mapping will do.
  case unsupported(Diagnostic)
}

/// Compiles kernels one after another: brings operands to where a mapping wants them, runs the kernel, and leaves the
/// result where it came to lie. A value type, so that a mapping can be tried on a copy.
struct ProgramCompiler {
  /// Where a buffer lies between kernels.
  struct Home {
    var placement: Placement
    /// The SRAM interval that it owns, if it does.
    var owned: Range<Int>?
  }

  let machine: SliceMachine
  let graph: KernelGraph
  var run: Emitter
  var load: Emitter
  var sram: ValueMemory
  var homes: [BufferID: Home] = [:]
  var images: [NPUProgram.Image] = []
  var dramEnd = 0
  /// Where the host writes the inputs.
  var inputAddresses: [Int] = []
  var residences: [NPUProgram.Residence] = []
  /// SRAM intervals that end with the kernel.
  var temporaries: [Int] = []
  /// SRAM intervals that values left for others during the kernel, which may still read them there.
  private var left: [Int] = []
  /// Uses of a buffer that are still to come.
  var remaining: SideTable<BufferID, Int>
  /// What readers of a buffer want of neighbouring blocks, per dimension.
  let room: SideTable<BufferID, [(before: Int, behind: Int)]>
  let joinings: SideTable<BufferID, Joining?>
  /// Concatenations that have a home before their kernel.
  var reserved: Set<BufferID> = []
  let cache: SearchCache
  /// Only what it costs counts: no code, no images.
  let isDry: Bool
  var registerLoads: LoadQueue
  var wordLoads: LoadQueue
  /// Whether kernels in a row have their constants loaded together.
  let sharesLoads: Bool

  /// Resident constants come from here, and are copied by the load program; nil streams all.
  var resident: IntervalAllocator?
  let residentBase: Int
  /// Ticks of the load program's descriptors, by engine.
  var loadTicks: [Int]
  /// When the engines for values and for what streams are free, about.
  var engineTicks = (values: 0, streams: 0)
  /// The completions, by engine, of the copy emitted last.
  var copyEnds: [Wait] = []
  /// The slot of the next kernel's table.
  var tableTurn = 0
  /// Of a dry run: ticks of copies that hold the work up, of constants that stream, and of those that are staged.
  var copyTicks = 0
  var streamTicks = 0
  var stagingTicks = 0
  /// Of a search: a mapping with more copies is given up.
  var mostCopyTicks = Int.max
  /// Of a search: what the work takes, what streams beside it, and how the kernels were placed.
  var computeTicks = 0
  var countedStreamTicks = 0
  /// What the kernel before leaves the next load.
  var beside = Work.Beside()
  var staging = Work.Staging()
  var choices: [Choice] = []
  /// Ticks that concatenations to come will take for parts that do not lie in their places.
  var owed: [BufferID: Int] = [:]
  /// Whether values went to DRAM that the choices would have left in SRAM.
  var neededMoreRoom = false
  /// What each of them costs.
  var works: [Work] = []
  /// Whether the axis of fewer tiles has the faster digit, so that shifts along the other have less far to go; else the longer
  /// axis has it.
  var startsWithFewTiles = false
  /// Whether tiles are ranked with the shifts that their halos need.
  var countsHalos = true
  /// Ticks beside what takes longer that count as one.
  var hiddenTicks = 8.0
  /// Ticks that a byte of a slice is worth.
  var residentPrice = 0.0
  /// What resident constants would take if there were room.
  var residentDemand = 0

  /// Where the next constant that streams would lie.
  private var streamCursor = 0
  private var zeroPage: Int?
  /// How many buffers lie in an owned interval, by its offset: views share.
  private var owners: [Int: Int] = [:]

  init(
    _ graph: KernelGraph, _ machine: SliceMachine, residentBytes: Int, isDry: Bool,
    room: SideTable<BufferID, [(before: Int, behind: Int)]>, joinings: SideTable<BufferID, Joining?>,
    cache: SearchCache, sharesLoads: Bool,
    memory: (Int) -> ValueMemory
  ) {
    self.cache = cache
    self.machine = machine
    self.graph = graph
    self.isDry = isDry
    self.room = room
    self.joinings = joinings
    run = Emitter(machine, isDry: isDry)
    load = Emitter(machine, isDry: isDry)
    loadTicks = Array(repeating: 0, count: min(machine.dmaEngines, 2))
    registerLoads = .registers(machine)
    wordLoads = .words(machine)
    self.sharesLoads = sharesLoads
    residentBase = machine.sramBytesPerSlice - residentBytes
    // What streams is loaded when it comes: no kernel leaves too little time.
    if residentBytes == 0 { beside.sharing = 1 << 40 }
    sram = memory(residentBase)
    // A dry run only counts what they take.
    resident =
      residentBytes > 0
      ? IntervalAllocator(capacity: isDry ? 16 * machine.sramBytesPerSlice : residentBytes) : nil
    remaining = SideTable(default: 0)
    for node in graph.nodes.ids {
      for operand in graph.nodes[node].operands { remaining[operand] += 1 }
    }
    for output in graph.outputs { remaining[output] += 1 }
    for id in graph.inputs {
      let type = graph.buffers[id].type
      let address = allocateDRAM(byteCount(type))
      inputAddresses.append(address)
      settle(id, Placement(dram: address, type), owned: nil)
    }
  }

  var window: Int { machine.sramWindowBytes }

  // MARK: Memory

  /// DRAM that nothing else uses, aligned to a granule.
  mutating func allocateDRAM(_ bytes: Int) -> Int {
    let address = dramEnd
    dramEnd += (max(bytes, 1) + 255) / 256 * 256
    return address
  }

  /// - Parameter isEarly: whether what fills it may come before the kernel.
  mutating func allocateSRAM(_ bytes: Int, isEarly: Bool = false, for what: String) throws(Failure) -> Int {
    guard let offset = sram.allocate(bytes, isEarly: isEarly) else {
      throw .doesNotFit("\(what) needs \(bytes) bytes of a slice, free are \(sram.freeBytes)")
    }
    return offset
  }

  mutating func image(_ bytes: [UInt8]) -> Int {
    let address = allocateDRAM(bytes.count)
    if !isDry { images.append(NPUProgram.Image(address: Int64(address), bytes: bytes)) }
    return address
  }

  /// 4096 bytes of zero in DRAM.
  mutating func zeros() -> Int {
    if let zeroPage { return zeroPage }
    let page = image([UInt8](repeating: 0, count: 4096))
    zeroPage = page
    return page
  }

  mutating func home(of buffer: BufferID) -> Home {
    if let home = homes[buffer] { return home }
    let address: Int
    if isDry {
      address = allocateDRAM(byteCount(graph.buffers[buffer].type))
    } else {
      address = image(graph.buffers[buffer].constant.map { $0.withBytes { Array($0) } } ?? [])
    }
    let home = Home(placement: Placement(dram: address, graph.buffers[buffer].type), owned: nil)
    homes[buffer] = home
    return home
  }

  /// Gives up the SRAM of buffers that nobody will read again, and of temporaries.
  mutating func release(after node: KernelNode) {
    for offset in temporaries { sram.free(offset) }
    temporaries = []
    for offset in left { disown(offset) }
    left = []
    for operand in node.operands {
      remaining[operand] -= 1
      dropIfUnused(operand)
    }
    dropIfUnused(node.result)
    sram.begin()
  }

  mutating func dropIfUnused(_ buffer: BufferID) {
    guard remaining[buffer] == 0 else { return }
    vacate(buffer)
    homes[buffer] = nil
  }

  /// Gives up the SRAM of a buffer that lies elsewhere from now on, or nowhere.
  mutating func vacate(_ buffer: BufferID) {
    guard let owned = homes[buffer]?.owned else { return }
    homes[buffer]?.owned = nil
    disown(owned.lowerBound)
  }

  private mutating func disown(_ offset: Int) {
    let count = (owners[offset] ?? 1) - 1
    owners[offset] = count
    if count == 0 { sram.free(offset) }
  }

  /// Records where a buffer lies; `owned` is freed when the last buffer in it is unused.
  mutating func settle(_ buffer: BufferID, _ placement: Placement, owned: Range<Int>?) {
    homes[buffer] = Home(placement: placement, owned: owned)
    if let owned { owners[owned.lowerBound, default: 0] += 1 }
  }

  /// A tile of an operand: where the buffer lies already if that will do, else a copy.
  /// - Parameters:
  ///   - contiguous: the dimension whose coordinates must follow each other without gap.
  ///   - padding: that dimension must be defined up to a multiple of this.
  ///   - isMasked: whether what lies beyond the extent is not read.
  mutating func tile(
    _ index: Int, of node: KernelNode, _ geometry: Geometry, contiguous: Int?, padding: Int = 1,
    isMasked: Bool = false
  ) throws(Failure) -> Tile {
    let operand = geometry.kernel.operands[index]
    let buffer = node.operands[index]
    guard var need = geometry.need(of: operand) else {
      throw .doesNotFit("operand \(index) cannot be cut this way")
    }
    let origin = operand.maps.map(geometry.origin)
    let home = home(of: buffer)
    let copies = geometry.copies(of: operand)
    if home.placement.memory == .sram,
      copies.isEmpty || geometry.sliceCount == 1 || home.placement.repeats >= geometry.sliceCount,
      isMasked || home.placement.isWhole || !geometry.isUneven
    {
      var placement = home.placement
      var isThere = placement.satisfies(need, contiguous: contiguous, padding: padding)
      if !isThere, geometry.sliceCount & (geometry.sliceCount - 1) == 0,
        let grown = placement.grown(to: need),
        grown.satisfies(need, contiguous: contiguous, padding: padding)
      {
        fetchHalos(of: home, until: grown, sliceCount: geometry.sliceCount)
        placement = grown
        placement.repeats = min(grown.repeats, geometry.sliceCount)
        homes[buffer]?.placement = placement
        isThere = true
      }
      if isThere {
        let bytes = home.owned ?? 0..<machine.sramBytesPerSlice
        return Tile(placement: placement, operand: operand, origin: origin, bytes: bytes)
      }
    }
    if padding == 1,
      let tile = collected(buffer, operand, need, geometry, contiguous: contiguous, origin: origin)
    {
      stay(buffer, of: node, in: tile)
      return tile
    }
    let wanted = need
    if let row = home.placement.order.last, padding == 1 || row != contiguous {
      need[row].widen(home.placement.dimensions[row], unit: operand.type.element.size)
    }
    if let contiguous, padding == 1, copies.isEmpty,
      let tile = turned(home, buffer, operand, need, origin: origin, innermost: contiguous)
    {
      return tile
    }
    if geometry.sliceCount & (geometry.sliceCount - 1) == 0, copies.isEmpty, !need.isEmpty,
      graph.buffers[buffer].constant == nil
    {
      for dimension in need.indices { need[dimension].setRoom() }
      let innermost = contiguous ?? home.placement.order.last ?? 0
      if need[innermost].isUneven { need = wanted }
    }
    let unit = operand.type.element.size
    var order = home.placement.order
    if let contiguous { order = order.filter { $0 != contiguous } + [contiguous] }
    if padding == 1, graph.buffers[buffer].constant == nil,
      let tile = try broughtInParts(home, operand, need, geometry, order: order, origin: origin)
    {
      return tile
    }
    let size = Placement.pack(&need, order: order, unit: unit, rounding: padding)
    let isConstant = graph.buffers[buffer].constant != nil
    let (offset, isLoad) = try place(size, isConstant: isConstant, "operand \(index) of '\(node.name)'")
    let room = need.reduce(0) { $0 + $1.roomBefore * $1.stride }
    var placement = Placement(sram: offset + room, need, operand.type.element)
    let isUneven = need.contains {
      $0.blocks > 1 && ($0.blocks - 1) * $0.step + $0.origin + $0.span > $0.extent
    }
    // What lies before the first coordinate is never read without a bound, but shifts may pass it on.
    placement.isWhole = !need.contains(where: \.isUneven)
    // What is copied across is copied whole.
    let isPassedOn = isConstant && copies.contains { $0.count > 1 } && need.contains(where: \.isUneven)
    if padding > 1 || (isUneven && !isMasked) || isPassedOn {
      placement.isWhole = true
      clear(offset..<(offset + size), slices: geometry.sliceCount, isLoad: isLoad)
    }
    let from = isConstant ? nil : transposed(home, innermost: order.last ?? 0)?.placement
    if isConstant {
      try copyConstant(home.placement, to: placement, isLoad: isLoad)
      copyAcross(
        offset..<(offset + size), covered: need.map { ($0.blocks, $0.sliceStride) },
        copies: copies.map { ($0.count, $0.sliceStride) }, isLoad: isLoad)
    } else {
      try copyValue(from ?? home.placement, to: placement, copies: copies)
    }
    if room > 0 || need.contains(where: { $0.roomBehind > 0 }), !isConstant {
      let loaded = Home(placement: placement, owned: offset..<(offset + size))
      if let grown = placement.grown(to: wanted) {
        fetchHalos(of: loaded, until: grown, sliceCount: geometry.sliceCount)
        placement = grown
      }
    }
    let tile = Tile(placement: placement, operand: operand, origin: origin, bytes: offset..<(offset + size))
    if copies.isEmpty { stay(buffer, of: node, in: tile) }
    return tile
  }

  /// Lets a value lie as a tile from now on if it is read again: later readers are likely to want it like this one.
  private mutating func stay(_ buffer: BufferID, of node: KernelNode, in tile: Tile) {
    guard let home = homes[buffer], graph.buffers[buffer].constant == nil,
      home.owned != nil || home.placement.memory == .dram,
      remaining[buffer] > node.operands.count(where: { $0 == buffer }),
      tile.placement.dimensions.allSatisfy(\.isCovered)
    else { return }
    temporaries.removeAll { $0 == tile.bytes.lowerBound }
    if let owned = home.owned { left.append(owned.lowerBound) }
    settle(buffer, tile.placement, owned: tile.bytes)
  }

  /// A tile of a value in DRAM with other elements side by side than there: rows are copied as they lie, and each slice
  /// turns its own; nil where that is not worth it.
  private mutating func turned(
    _ home: Home, _ buffer: BufferID, _ operand: Operand, _ need: [Placement.Dimension], origin: [Int],
    innermost: Int
  ) -> Tile? {
    let from = home.placement
    guard from.memory == .dram, graph.buffers[buffer].constant == nil, from.order.last != innermost,
      need[innermost].span >= 4
    else { return nil }
    var need = need
    let size = Placement.pack(&need, order: from.order, unit: operand.type.element.size)
    guard let offset = sram.allocate(size) else { return nil }
    var rows = Placement(sram: offset, need, operand.type.element)
    rows.isWhole = !need.contains(where: \.isUneven)
    let maps = need.indices.map(CopyPlan.SourceMap.axis)
    guard
      let plan = CopyPlan(
        from: from, maps, to: rows, ranges: operand.type.shape.map { 0..<$0 }, window: window),
      let turned = transposed(
        Home(placement: rows, owned: offset..<(offset + size)), innermost: innermost,
        filling: { $0.copyValues(plan.descriptors) })
    else {
      sram.free(offset)
      return nil
    }
    temporaries.append(offset)
    return Tile(placement: turned.placement, operand: operand, origin: origin, bytes: turned.bytes)
  }

  /// SRAM for a constant: among the residents where there is room, else until the kernel ends.
  mutating func placeConstant(_ size: Int, _ what: String) throws(Failure) -> (offset: Int, isLoad: Bool) {
    try place(size, isConstant: true, what)
  }

  /// SRAM for a tile: constants among the residents where there is room, all else until the kernel ends.
  mutating func place(
    _ size: Int, isConstant: Bool, _ what: String
  ) throws(Failure) -> (offset: Int, isLoad: Bool) {
    if isConstant {
      residentDemand += (size + 63) / 64 * 64
      if let offset = resident?.allocate(max(size, 1), alignment: 64) { return (residentBase + offset, true) }
      // What streams goes round above the values, so that it can come early.
      let floor = residentBase / 3
      let streaming =
        sram.allocate(size, from: max(streamCursor, floor))
        ?? sram.allocate(size, from: floor)
      if let streaming {
        streamCursor = streaming + size
        temporaries.append(streaming)
        return (streaming, false)
      }
    }
    let offset = try allocateSRAM(size, for: what)
    temporaries.append(offset)
    return (offset, false)
  }

  /// Writes zero to a range of offsets in the first slices, up to a multiple of 32 bytes: intervals are whole so far.
  mutating func clear(_ range: Range<Int>, slices: Int, isLoad: Bool) {
    guard isLoad else { return clearBeside(range, slices) }
    let page = zeros()
    var start = range.lowerBound
    while start < range.upperBound {
      let run = min(4096, range.upperBound - start)
      let loop = DMAInstruction.Loop(UInt32(slices), source: 0, destination: Int64(window))
      let descriptor = DMAInstruction(
        from: .init(.dram, Int64(page)), to: .init(.sram, Int64(start)), run: UInt32(run),
        slices > 1 ? [loop] : [])
      copy([descriptor], isLoad: true)
      start += run
    }
  }

  /// A copy within slices whose elements are all skipped, beside the work: it reads nothing, and no engine has to start.
  private mutating func clearBeside(_ range: Range<Int>, _ slices: Int) {
    let flits = (range.count + 31) / 32
    var commit = TensorInstruction.Commit()
    commit.base = Int32(range.lowerBound)
    commit.element = .i32
    commit.elements = 8
    let body = TensorInstruction.zeros(flits, apart: 32, to: .commit(commit), slices: slices)
    // The copy into the tile waits for it.
    guard !isDry else {
      return copyTicks +=
        Instruction(.tensor(body)).duration(on: machine, context: .sub, programs: []).ticks
    }
    let bytes = range.lowerBound..<(range.lowerBound + 32 * flits)
    run.append(.tensor(body), .sub, [.write(.sram, bytes, slices: 0..<slices)])
  }
}

extension Failure {
  func diagnostic(_ number: Int, _ node: KernelNode, _ machine: SliceMachine) -> Diagnostic {
    switch self {
    case .unsupported(let diagnostic): diagnostic
    case .doesNotFit(let reason):
      Diagnostic(.doesNotFit, "kernel \(number) '\(node.name)': \(reason) on \(machine.name)")
    }
  }
}

extension Placement {
  /// Dimensions from the one with the largest stride to the innermost.
  var order: [Int] {
    dimensions.indices.sorted {
      (dimensions[$0].stride, dimensions[$1].extent, -$0) > (
        dimensions[$1].stride, dimensions[$0].extent, -$1
      )
    }
  }

  /// With what neighbouring blocks hold copied into the room around each block, as far as a tile needs it; nil if
  /// that would not do.
  func grown(to need: [Dimension]) -> Placement? {
    var result = self
    for (index, (has, wants)) in zip(dimensions, need).enumerated() where wants.blocks > 1 {
      guard has.blocks == wants.blocks, has.sliceStride == wants.sliceStride, has.step == wants.step else {
        return nil
      }
      guard wants.origin < has.origin || wants.origin + wants.span > has.origin + has.span else { continue }
      // All the room at once, for readers to come.
      let (before, behind) = (has.roomBefore, has.roomBehind)
      guard max(before, behind) <= has.reach, has.span == has.step else { return nil }
      result.dimensions[index].origin -= before
      result.dimensions[index].span += before + behind
      result.dimensions[index].defined = result.dimensions[index].span
      result.dimensions[index].roomBefore -= before
      result.dimensions[index].roomBehind -= behind
      result.base -= before * has.stride
    }
    return result
  }

  /// Whether a tile can be read where this lies.
  func satisfies(_ need: [Dimension], contiguous: Int?, padding: Int) -> Bool {
    for (index, (has, wants)) in zip(dimensions, need).enumerated() {
      let end = wants.blocks > 1 ? wants.origin + wants.span : min(wants.origin + wants.span, has.extent)
      guard has.blocks == wants.blocks, wants.origin >= has.origin, end <= has.origin + has.span else {
        return false
      }
      if wants.blocks > 1, has.sliceStride != wants.sliceStride || has.step != wants.step { return false }
      guard index == contiguous else { continue }
      if has.stride != element.size { return false }
      let reach = wants.origin - has.origin + wants.span
      if padding > 1, has.defined < reach.roundedUp(toMultipleOf: padding) { return false }
    }
    return true
  }
}
