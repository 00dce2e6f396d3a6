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
    /// The same as indices of a block, and how far blocks are apart; or every block has all.
    var range: Range<Int>
    var block: Int
    var isEverywhere = false
    var ring = 1
    /// From the start of the slice's constants, in bytes.
    var start = 0

    var packets: Int { operands.count * columns / 8 }
    var packetsPerSlice: Int { (packets + ring - 1) / ring }
    /// Words that the load writes.
    var count: Int { packetsPerSlice * ring * 8 }
  }
}

/// Standing constants in SRAM: all of a slice's units, or every `ring`-th of each box; then the words per column.
struct PlacedConstants {
  var constants: StandingConstants
  var bytes: Range<Int>
  var ring: Int
  var inner: Int
  /// Where the packets of each box begin, in packets.
  var starts: [Int]

  var words: StandingConstants.ColumnWords { constants.words }
}

extension TiledContraction {
  func constants(
    _ machine: SliceMachine, _ boxes: [Box], _ words: StandingConstants.ColumnWords
  ) -> StandingConstants {
    let part = left.parts[lane]
    let digit = Geometry.Digit(
      count: sharing?.count ?? part?.count ?? 1,
      sliceStride: sharing?.sliceStride ?? part?.sliceStride ?? 1)
    var words = words
    words.isEverywhere = sharing?.mode == .all
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
  ///   - most: the longest ring of slices that hold a part each; 1 lets each hold all.
  ///   - image: packs the constant in units of so many bytes, block after block.
  mutating func placeStanding(
    _ constants: StandingConstants, _ node: KernelNode, ring most: Int, image: (Tensor, Int) -> [UInt8]
  ) throws(Failure) -> PlacedConstants {
    let size = machine.packetBytes
    let (slices, count, stride) = (constants.slices, constants.digit.count, constants.digit.sliceStride)
    let low = count > 1 ? stride : slices
    let high = max(slices / (low * count), 1)
    var ring = low > 1 ? low : high
    let inner = low > 1 ? 1 : count
    // Rings are powers of two.
    ring = inner & (inner - 1) == 0 ? ring & -ring : 1
    while ring > most { ring /= 2 }
    let capacity = machine.registerFileBytes / size
    guard capacity / 2 % ring == 0 else { throw .doesNotFit("a ring of \(ring) slices") }
    var placed = PlacedConstants(
      constants: constants, bytes: 0..<0, ring: ring, inner: ring == 1 ? 1 : inner, starts: [])
    // Few to a slice: a long ring takes its time.
    var words = constants.words
    words.ring = ring
    while words.ring > 1, words.packets <= words.ring { words.ring /= 2 }
    let limit = machine.vectorRegisterBytes / 4
    let room = words.packets * 8 <= limit / 2 ? limit / 2 : limit
    while words.ring > 1, words.count > room { words.ring /= 2 }
    var perSlice = 0
    for range in constants.boxes {
      placed.starts.append(perSlice)
      perSlice += (range.count + ring - 1) / ring
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
    let (offset, isLoad) = try placeConstant(bytes, "the weights of '\(node.name)'")
    placed.bytes = offset..<(offset + bytes)
    // In DRAM: block, ring, packets. What other slices have as well is copied from the first that have it.
    var loops: [(count: Int, source: Int, distance: Int)] = [
      (count, ring * bytes, stride), (ring, bytes, low > 1 ? 1 : count),
    ]
    var copies: [(count: Int, distance: Int)] = []
    if low > 1 {
      copies = [(low / ring, ring), (high, low * count)]
    } else {
      copies = [(high / ring, count * ring)]
    }
    loops.removeAll { $0.count == 1 }
    copies.removeAll { $0.count == 1 }
    if bytes <= Self.fewBytes {
      loops += copies.map { ($0.count, 0, $0.distance) }
      copies = []
    }
    var start = 0
    while start < bytes {
      let run = min(4096, bytes - start)
      let target = Int64(offset + start)
      copy(
        [
          DMAInstruction(
            from: .init(.dram, Int64(address + start)), to: .init(.sram, target), run: UInt32(run),
            loops.map {
              .init(UInt32($0.count), source: Int64($0.source), destination: Int64($0.distance * window))
            })
        ], isLoad: isLoad, engine: 1)
      start += run
    }
    copyAcross(
      placed.bytes, covered: loops.map { ($0.count, $0.distance) }, copies: copies, isLoad: isLoad)
    return placed
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
            let target = (owner * ring + index % ring) * bytes + (placed.starts[number] + index / ring) * size
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
            for owner in words.isEverywhere ? 0..<blocks : first..<min(first + 1, blocks) {
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

  /// Loads a box into the register file; small ones into the half that the last did not use.
  /// - Returns: its units there.
  mutating func loadBox(_ placed: PlacedConstants, _ number: Int) -> Range<Int> {
    let (size, slices) = (machine.packetBytes, placed.constants.slices)
    let capacity = machine.registerFileBytes / size
    let packets = (placed.constants.boxes[number].count + placed.ring - 1) / placed.ring
    let units = packets * placed.ring
    var base = 0
    if units <= capacity / 2 {
      registerHalf = 1 - registerHalf
      base = registerHalf * capacity / 2
    }
    let operand = placed.constants.operand
    var body = TensorInstruction()
    body.sliceCount = UInt16(slices)
    body.fetch.element = operand.type.element
    body.fetch.packetElements = UInt8(size / operand.type.element.size)
    body.fetch.zeroPoint = Int16(operand.pre.subtractedInteger ?? 0)
    body.fetch.base = Int32(placed.bytes.lowerBound + placed.starts[number] * size)
    body.sink = .registerFile(base: Int32(base))
    body.gather(packets: packets, bytes: size, ring: placed.ring, inner: placed.inner)
    for index in body.loops.indices {
      body.loops[index].registerStride = Int32(index == 0 ? placed.ring : 1)
    }
    run.append(
      .tensor(body), .sub,
      [.read(.sram, placed.bytes, slices: 0..<slices), .write(.registerFile, base..<(base + units))])
    return base..<(base + units)
  }

  /// The operands of the vector program: words per column come in one load, others as everywhere.
  mutating func standingSources(
    _ indices: [Int], of node: KernelNode, _ geometry: Geometry, along axis: AxisID, group: Int = 8,
    _ placed: PlacedConstants
  ) throws(Failure) -> [VectorSource] {
    let words = placed.words
    let others = indices.filter { !words.operands.contains($0) }
    let capacity = machine.vectorRegisterBytes / 4
    guard words.count <= capacity else {
      throw .doesNotFit("vector operands need \(words.count) words of \(capacity)")
    }
    var base = 0
    var limit = capacity
    if words.count <= capacity / 2 {
      vectorHalf = 1 - vectorHalf
      base = vectorHalf * capacity / 2
      limit = base + capacity / 2
    }
    var sources: [Int: VectorSource] = [:]
    if words.count > 0 { loadWords(placed, base) }
    for (position, index) in words.operands.enumerated() {
      let start = base + position * words.columns
      sources[index] = VectorSource(
        place: .registers(base: start, words: start..<(start + words.columns), strides: [axis: 1]),
        isBroadcast: false)
    }
    let rest = try vectorSources(
      others, of: node, geometry, flitAxis: axis, group: group, from: base + words.count, limit: limit)
    for (index, source) in zip(others, rest) { sources[index] = source }
    return indices.compactMap { sources[$0] }
  }

  private mutating func loadWords(_ placed: PlacedConstants, _ base: Int) {
    let (words, slices) = (placed.words, placed.constants.slices)
    var body = TensorInstruction()
    body.sliceCount = UInt16(slices)
    body.fetch.base = Int32(placed.bytes.lowerBound + words.start)
    body.fetch.element = .i32
    body.fetch.packetElements = 8
    body.gather(packets: words.packetsPerSlice, bytes: 32, ring: words.ring, inner: placed.inner)
    for index in body.loops.indices {
      body.loops[index].commitStride = Int32(index == 0 ? 8 * words.ring : 8)
    }
    body.sink = .vectorRegisters(base: Int32(base))
    run.append(
      .tensor(body), .sub,
      [
        .read(.sram, placed.bytes, slices: 0..<slices),
        .write(.vectorRegisters, base..<(base + words.count)),
      ])
  }
}

extension TensorInstruction {
  /// Loops over the packets of a slice and, where they were dealt out, over the slices of the ring.
  fileprivate mutating func gather(packets: Int, bytes: Int, ring: Int, inner: Int) {
    var own = Loop()
    own.size = UInt32(packets)
    own.fetchStride = Int32(bytes)
    loops = [own]
    guard ring > 1 else { return }
    var others = Loop()
    others.size = UInt32(ring)
    others.kind = .ring1
    loops.append(others)
    exchange.kind = .broadcast1
    exchange.outer = UInt16(ring)
    exchange.inner = UInt16(inner)
  }
}
