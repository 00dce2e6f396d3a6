import KernelIR
import Machine
import NPUISA
import Support
import Tensors

/// What stands in a slice while a contraction streams: units of the register file, box after box, and a word per column for
/// operands of the vector program. Slices that differ in `digit` have blocks of their own, all others the same; those may
/// hold a part each, which the switch brings to all on loading.
struct StandingConstants {
  var operand: Operand
  /// Its place among the kernel's operands.
  var index: Int
  var slices: Int
  var digit: Geometry.Digit
  /// Units of each box, in the order of the image of a block.
  var boxes: [Range<Int>]
  var words: ColumnWords

  /// Words per column for the vector program: operand after operand, in packets of eight, every `ring`-th in a slice.
  struct ColumnWords {
    var operands: [Int]
    /// Columns that are worked on, whole flits.
    var columns: Int
    /// The same as indices of a block, and how far blocks are apart.
    var range: Range<Int>
    var block: Int
    /// By the slices of the digit; empty where they have the blocks in order.
    var blocks: [Int] = []
    var ring = 1
    /// From the start of the slice's constants, in bytes.
    var start = 0

    var packets: Int { operands.count * columns / 8 }
    var packetsPerSlice: Int { (packets + ring - 1) / ring }
    /// Words that the load writes.
    var count: Int { packetsPerSlice * ring * 8 }
  }
}

/// Standing constants in SRAM: all of a slice's units, or every `ring`-th of each box; and the words per column.
struct PlacedConstants {
  var constants: StandingConstants
  var ring: Int
  var inner: Int
  /// Whether engines bring the parts to all slices before they load.
  var isStaged = false
  /// Where the packets of each box begin when they are loaded, in packets.
  var starts: [Int]
  /// The units in SRAM when they are loaded.
  var bytes = 0..<0
  /// The units of the only box, if a load brings them, perhaps with those of other kernels.
  var units: Range<Int>?
  /// The first of the words in the vector registers.
  var firstWord = 0

  var words: StandingConstants.ColumnWords { constants.words }

  /// How the units lie when they are loaded.
  var form: LoadQueue.Form {
    LoadQueue.Form(
      slices: constants.slices, ring: isStaged ? 1 : ring, inner: isStaged ? 1 : inner,
      element: constants.operand.type.element,
      zeroPoint: Int16(constants.operand.pre.subtractedInteger ?? 0))
  }

  /// The slice of the ring that holds a unit between runs, and where: of a box every `ring`-th, or what follows each other.
  func place(of unit: Int, _ index: Int, of box: Int) -> (part: Int, packet: Int) {
    guard isStaged else { return (index % ring, starts[box] + index / ring) }
    let units = constants.boxes.last?.upperBound ?? 0
    let part = (units + ring - 1) / ring
    return (unit / part, unit % part)
  }
}

extension TiledContraction {
  /// The digit along which slices have units of their own.
  var digit: Geometry.Digit {
    sharing?.units ?? left.parts[lane].map { Geometry.Digit(count: $0.count, sliceStride: $0.sliceStride) }
      ?? Geometry.Digit(count: 1, sliceStride: 1)
  }

  /// Blocks of channels and of columns that a slice of the digit multiplies: of a sharing that gathers, all channels.
  func block(_ unit: Int) -> (channels: Int, columns: Int) {
    guard let sharing, sharing.mode == .reduce else { return (0, unit) }
    return sharing.blocks(of: unit)
  }

  func leavingBlock(part: Int, of block: Int) -> Int {
    sharing?.leavingBlock(part: part, of: block) ?? block
  }

  /// The block of what leaves in a slice of the digit.
  private func wordBlock(_ unit: Int) -> Int {
    guard let sharing, sharing.mode == .reduce else { return unit }
    let (channels, columns) = sharing.blocks(of: unit)
    return sharing.leavingBlock(part: sharing.reducer.part(of: channels), of: columns)
  }

  func constants(
    _ machine: SliceMachine, _ boxes: [Box], _ words: StandingConstants.ColumnWords
  ) -> StandingConstants {
    var words = words
    words.blocks = (0..<digit.count).map(wordBlock)
    return StandingConstants(
      operand: plan.kernel.operands[plan.stationary], index: plan.stationary, slices: streamed.sliceCount,
      digit: digit, boxes: boxes.map { units($0) }, words: words)
  }
}

extension ProgramCompiler {
  /// The operands of the vector program that are a word per index of an axis.
  func columnConstants(
    _ indices: [Int], of node: KernelNode, _ geometry: Geometry, along axis: AxisID, group: Int = 8
  ) -> StandingConstants.ColumnWords {
    let operands = indices.filter { index in
      let operand = geometry.kernel.operands[index]
      return graph.buffers[node.operands[index]].constant != nil && operand.type.element.size == 4
        && operand.maps.count == 1 && operand.maps[0] == .axis(axis) && operand.pre.isIdentity
    }
    let columns = geometry.ranges[axis].count
    return StandingConstants.ColumnWords(
      operands: operands, columns: columns.roundedUp(toMultipleOf: group), range: geometry.ranges[axis],
      block: geometry.parts[axis]?.block ?? geometry.kernel.axes[axis].extent)
  }

  /// Brings the constants to SRAM: each block to its slices, whole, or dealt out along the slices that share it.
  /// - Parameters:
  ///   - most: the longest ring of slices that hold a part each.
  ///   - mayOwn: whether each holds all where that loads so much faster that it is worth the room.
  ///   - image: packs the constant in units of so many bytes, block after block.
  mutating func placeStanding(
    _ constants: StandingConstants, _ node: KernelNode, _ standing: Standing, most: Int, mayOwn: Bool = false,
    image: (Tensor, Int) -> [UInt8]
  ) throws(Failure) -> PlacedConstants {
    let size = machine.packetBytes
    let (slices, count, stride) = (constants.slices, constants.digit.count, constants.digit.sliceStride)
    let low = count > 1 ? stride : slices
    let high = max(slices / (low * count), 1)
    var ring = low > 1 ? low : high
    let inner = low > 1 ? 1 : count
    // Rings are powers of two.
    ring = inner & (inner - 1) == 0 ? ring & -ring : 1
    while ring > (standing == .own ? 1 : most) { ring /= 2 }
    guard standing != .staged || (resident != nil && ring > 1) else {
      throw .doesNotFit("no slices share constants")
    }
    let units = constants.boxes.last?.upperBound ?? 0
    if mayOwn { ring = self.ring(ring, inner, units, slices, constants.operand.type.element, registerLoads) }
    let capacity = machine.registerFileBytes / size
    guard capacity / 2 % ring == 0 else { throw .doesNotFit("a ring of \(ring) slices") }
    var placed = PlacedConstants(
      constants: constants, ring: ring, inner: ring == 1 ? 1 : inner, starts: [])
    // Few to a slice: a long ring takes its time.
    var words = constants.words
    words.ring = self.ring(ring, inner, words.packets, slices, .i32, wordLoads)
    while words.ring > 1, words.packets <= words.ring { words.ring /= 2 }
    let limit = machine.vectorRegisterBytes / 4
    guard words.packets * 8 <= limit else {
      throw .doesNotFit("vector operands need \(words.packets * 8) words of \(limit)")
    }
    let room = words.packets * 8 <= limit / 2 ? limit / 2 : limit
    while words.ring > 1, words.count > room { words.ring /= 2 }
    var perSlice = 0
    if standing == .staged {
      placed.isStaged = true
      placed.starts = constants.boxes.map(\.lowerBound)
      perSlice = (units + ring - 1) / ring
    } else {
      for range in constants.boxes {
        placed.starts.append(perSlice)
        perSlice += (range.count + ring - 1) / ring
      }
    }
    words.start = perSlice * size
    placed.constants.words = words
    let bytes = words.start + words.packetsPerSlice * 32
    let address: Int
    if isDry {
      address = allocateDRAM(count * ring * bytes)
    } else {
      address = self.image(dealt(placed, node, bytes: bytes, image))
    }
    // In DRAM: block, ring, packets. What other slices have as well is copied from the first that have it.
    let loops: [(count: Int, source: Int, distance: Int)] = [
      (count, ring * bytes, stride), (ring, bytes, inner),
    ]
    let copies: [(count: Int, distance: Int)] =
      low > 1 ? [(low / ring, ring), (high, low * count)] : [(high / ring, count * ring)]
    func bring(_ part: Range<Int>, to offset: Int, isLoad: Bool) {
      deal(
        part.count, from: address + part.lowerBound, to: offset, loops.filter { $0.count > 1 },
        copies: copies.filter { $0.count > 1 }, isLoad: isLoad)
    }
    let what = "the weights of '\(node.name)'"
    let wordForm = LoadQueue.Form(
      slices: slices, ring: words.ring, inner: words.ring == 1 ? 1 : placed.inner, element: .i32)
    guard resident != nil else {
      // One descriptor brings both.
      let (offset, isLoad) = try placeConstant(bytes, what)
      placed.bytes = offset..<(offset + words.start)
      bring(0..<bytes, to: offset, isLoad: isLoad)
      if words.count > 0 {
        let load = wordLoads.start(
          words.packetsPerSlice, total: words.packetsPerSlice, wordForm, offset: offset + words.start,
          mayGrow: false)
        placed.firstWord = load.base
        emit(PlacedLoad(offset: load.offset, isLoad: isLoad, base: load.base, pending: load), \.wordLoads)
      }
      return placed
    }
    if words.count > 0 {
      let load = try place(\.wordLoads, words.packetsPerSlice, wordForm, what)
      bring(words.start..<bytes, to: load.offset, isLoad: load.isLoad)
      placed.firstWord = load.base
      emit(load, \.wordLoads)
    }
    if standing == .staged {
      let (offset, isLoad) = try placeConstant(words.start, what)
      guard isLoad else { throw .doesNotFit(what) }
      bring(0..<words.start, to: offset, isLoad: true)
      placed.bytes = try stage(
        offset..<(offset + words.start), parts: (ring, inner),
        apart: [(count, stride)] + copies, what)
      return placed
    }
    let form = placed.form
    if constants.boxes.count == 1, registerLoads.fitsHalf(perSlice, form) {
      let load = try place(\.registerLoads, perSlice, form, what)
      placed.bytes = load.offset..<(load.offset + words.start)
      bring(0..<words.start, to: load.offset, isLoad: load.isLoad)
      placed.units = load.base..<(load.base + registerLoads.count(perSlice, form))
      emit(load, \.registerLoads)
    } else {
      let (offset, isLoad) = try placeConstant(words.start, what)
      placed.bytes = offset..<(offset + words.start)
      bring(0..<words.start, to: offset, isLoad: isLoad)
    }
    return placed
  }

  /// The ring to deal packets out over: 1 where a load of all from every slice's own SRAM, perhaps together with others, is worth
  /// the room.
  private func ring(
    _ ring: Int, _ inner: Int, _ packets: Int, _ slices: Int, _ element: ElementType, _ queue: LoadQueue
  ) -> Int {
    guard resident != nil, ring > 1, packets > 0 else { return ring }
    let part = (packets + ring - 1) / ring
    let ticks = [(ring, inner, part), (1, 1, packets)].map { ring, inner, packets in
      let form = LoadQueue.Form(slices: slices, ring: ring, inner: inner, element: element)
      let load = LoadQueue.Load(form: form, base: 0, offset: 0, packets: packets, total: packets)
      return Instruction(.tensor(queue.instruction(load, packets: packets)))
        .duration(on: machine, context: .sub, programs: []).ticks
    }
    let saved = ticks[0] - ticks[1] + machine.issueSubCycles * machine.ticksPerCycle / 2
    return Double(saved) > residentPrice * Double((packets - part) * queue.packetBytes) ? 1 : ring
  }

  /// Copies bytes of an image to the slices that `loops` name, and from them to others.
  private mutating func deal(
    _ bytes: Int, from address: Int, to offset: Int, _ loops: [(count: Int, source: Int, distance: Int)],
    copies: [(count: Int, distance: Int)], isLoad: Bool
  ) {
    let isFew = bytes <= Self.fewBytes
    let all = isFew ? loops + copies.map { ($0.count, 0, $0.distance) } : loops
    var start = 0
    while start < bytes {
      let run = min(4096, bytes - start)
      let target = Int64(offset + start)
      copy(
        [
          DMAInstruction(
            from: .init(.dram, Int64(address + start)), to: .init(.sram, target), run: UInt32(run),
            all.map {
              .init(UInt32($0.count), source: Int64($0.source), destination: Int64($0.distance * window))
            })
        ], isLoad: isLoad, engine: 1)
      start += run
    }
    copyAcross(
      offset..<(offset + bytes), covered: loops.map { ($0.count, $0.distance) }, copies: isFew ? [] : copies,
      isLoad: isLoad)
  }

  /// Up to so many bytes are read from DRAM again for every slice: a copy from slice to slice would only begin after
  /// another startup.
  private static var fewBytes: Int { 512 }

  /// The bytes of all slices of a ring, block after block.
  private func dealt(
    _ placed: PlacedConstants, _ node: KernelNode, bytes: Int, _ image: (Tensor, Int) -> [UInt8]
  ) -> [UInt8] {
    let size = machine.packetBytes
    let (ring, words, blocks) = (placed.ring, placed.words, placed.constants.digit.count)
    var dealt = [UInt8](repeating: 0, count: blocks * ring * bytes)
    guard let constant = graph.buffers[node.operands[placed.constants.index]].constant else { return dealt }
    let whole = image(constant, size)
    let perBlock = whole.count / blocks
    dealt.withUnsafeMutableBufferPointer { dealt in
      for owner in 0..<blocks {
        for (number, range) in placed.constants.boxes.enumerated() {
          for (index, unit) in range.enumerated() {
            let (part, place) = placed.place(of: unit, index, of: number)
            let target = (owner * ring + part) * bytes + place * size
            let source = owner * perBlock + unit * size
            for byte in 0..<size { dealt[target + byte] = whole[source + byte] }
          }
        }
      }
      for (position, index) in words.operands.enumerated() {
        guard let operand = graph.buffers[node.operands[index]].constant else { continue }
        operand.withBytes { source in
          for column in 0..<(source.count / 4) {
            let (first, index) = (column / words.block, column % words.block)
            guard words.range.contains(index) else { continue }
            let place = position * words.columns + index - words.range.lowerBound
            for owner in 0..<blocks where words.blocks.isEmpty ? owner == first : words.blocks[owner] == first
            {
              for copy in stride(from: place / 8 % words.ring, to: ring, by: words.ring) {
                let target =
                  (owner * ring + copy) * bytes + words.start + place / 8 / words.ring * 32 + place % 8 * 4
                for byte in 0..<4 { dealt[target + byte] = source[column * 4 + byte] }
              }
            }
          }
        }
      }
    }
    return dealt
  }

  /// Loads a box into the register file unless it is there; small ones into the half that the last did not use, large ones in turn
  /// at its start and at its end.
  /// - Returns: its units there.
  mutating func loadBox(_ placed: PlacedConstants, _ number: Int) -> Range<Int> {
    if let units = placed.units { return units }
    var all = box(placed, number)
    let units = registerLoads.count(all.packets, all.form)
    if registerLoads.fitsHalf(all.packets, all.form) {
      all.base = registerLoads.turn()
      registerLoads.close(overlapping: all.base..<(all.base + units))
      load(all, placed)
    } else {
      registerLoads.close(overlapping: all.base..<(all.base + units))
      for part in registerLoads.parts(of: all, number) { load(part, placed) }
    }
    return all.base..<(all.base + units)
  }

  private func box(_ placed: PlacedConstants, _ number: Int) -> LoadQueue.Load {
    let form = placed.form
    let packets = (placed.constants.boxes[number].count + form.ring - 1) / form.ring
    let isLast = number % 2 == 1 && !registerLoads.fitsHalf(packets, form)
    return LoadQueue.Load(
      form: form, base: isLast ? registerLoads.capacity - registerLoads.count(packets, form) : 0,
      offset: placed.bytes.lowerBound + placed.starts[number] * machine.packetBytes, packets: packets,
      total: packets)
  }

  private mutating func load(_ load: LoadQueue.Load, _ placed: PlacedConstants) {
    let units = load.base..<(load.base + registerLoads.count(load.packets, load.form))
    run.append(
      .tensor(registerLoads.instruction(load, packets: load.packets)), .sub,
      [.read(.sram, placed.bytes, slices: 0..<placed.constants.slices), .write(.registerFile, units)])
  }

  /// Ticks of the loads of large boxes that cannot run beside the box before.
  func waitingTicks(_ placed: PlacedConstants) -> Int {
    placed.constants.boxes.indices.reduce(0) { ticks, number in
      guard placed.units == nil, let last = registerLoads.parts(of: box(placed, number), number).last else {
        return ticks
      }
      return ticks
        + Instruction(.tensor(registerLoads.instruction(last, packets: last.packets)))
        .duration(on: machine, context: .sub, programs: []).ticks
    }
  }

  /// The operands of the vector program: words per column come in one load, others as everywhere.
  mutating func standingSources(
    _ indices: [Int], of node: KernelNode, _ geometry: Geometry, along axis: AxisID, group: Int = 8,
    _ placed: PlacedConstants
  ) throws(Failure) -> [VectorSource] {
    let words = placed.words
    let others = indices.filter { !words.operands.contains($0) }
    let capacity = machine.vectorRegisterBytes / 4
    var sources: [Int: VectorSource] = [:]
    for (position, index) in words.operands.enumerated() {
      let start = placed.firstWord + position * words.columns
      sources[index] = VectorSource(
        place: .registers(base: start, words: start..<(start + words.columns), strides: [axis: 1]),
        isBroadcast: false)
    }
    // Beside the words, in the half that they leave.
    let free = words.count <= capacity / 2 ? wordLoads.otherHalf : words.count
    let limit = words.count <= capacity / 2 ? free + capacity / 2 : capacity
    let rest = try vectorSources(
      others, of: node, geometry, flitAxis: axis, group: group, from: free, limit: limit)
    for (index, source) in zip(others, rest) { sources[index] = source }
    return indices.compactMap { sources[$0] }
  }
}
