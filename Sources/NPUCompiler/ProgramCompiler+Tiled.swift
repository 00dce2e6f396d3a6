import KernelIR
import Machine
import NPUISA
import Support
import Tensors

/// One loop of a contraction's instruction, with the strides of all sequencers.
private struct TiledLoop {
  var size: Int
  var kind = TensorInstruction.Loop.Kind.time
  var isReduced = false
  /// The axis and the indices of it per iteration; nil for rings and dealt columns.
  var axis: AxisID?
  var step = 1
  var first = 0
  var register = 0
  var isDealt = false
  var isValidity = false
  var isKept = false
}

extension ProgramCompiler {
  /// Runs a contraction with a constant as a geometry cuts it; leaves the result in SRAM.
  mutating func emitTiled(
    _ node: KernelNode, _ tiled: TiledContraction, spreads: Bool
  ) throws(Failure) -> Tile {
    let (plan, kernel) = (tiled.plan, tiled.plan.kernel)
    let operand = kernel.operands[plan.streamed]
    let points = plan.rows.reduce(1) { $0 * tiled.streamed.ranges[$1].count }
    guard let (boxes, isWhole) = tiled.boxes(machine, points: points) else {
      throw .doesNotFit("the register file is too small")
    }
    let leaving = zip(operand.maps, operand.type.shape).count {
      tiled.streamed.leavesBounds($0, extent: $1)
    }
    guard leaving <= 2 else { throw .doesNotFit("more than two bounded coordinates") }
    let dimension = plan.packet.flatMap(operand.dimension(of:))
    let main = try tile(
      plan.streamed, of: node, tiled.streamed, contiguous: dimension, isMasked: true)
    let (program, indices) = vectorProgram(of: kernel, streamed: nil)
    let standing = try placeStanding(
      node, tiled, boxes, columnConstants(indices, of: node, tiled), spreads: spreads)
    let sources = try tiledSources(indices, of: node, tiled, standing)
    let result = try resultTile(node, tiled.left, innermost: tiled.lane, rounding: 8)
    var stream = Stream(
      geometry: tiled.streamed, main: main, program: program, sources: sources, result: result,
      resultElement: kernel.element)
    stream.packetAxis = plan.packet
    stream.packetElements = plan.packetElements
    stream.zeroPoint = Int(operand.pre.subtractedInteger ?? 0)
    try placeTables(kernel, &stream)

    let rows = plan.rows.filter { tiled.streamed.ranges[$0].count > 1 }
    let rowCounts = rows.map { tiled.streamed.ranges[$0].count }
    let pieces =
      isWhole
      ? [rowCounts.map { 0..<$0 }]
      : Nest.boxes(rowCounts, capacity: max(machine.accumulators / (8 * tiled.dealt), 1))
    let before = run.busy
    var start = 0
    while start < boxes.count {
      // The boxes of one group follow each other; rows that the cells do not hold together repeat them.
      var end = start
      while !boxes[end].isLast { end += 1 }
      for piece in pieces {
        for number in start...end {
          let (base, units) = loadBox(standing, tiled, boxes, number)
          try contract(boxes[number], piece, rows, base, units, tiled, stream)
        }
      }
      start = end + 1
    }
    if isDry {
      // Loads do not run beside the work where both want the switch, or all of the register file.
      let units = boxes.map { tiled.units($0).count }.max() ?? 0
      let isAlone =
        units > machine.registerFileBytes / machine.packetBytes / 2
        || (standing.ring > 1 && tiled.sharing?.mode == .gather)
      let spent = zip(run.busy, before).map { $0 - $1 }
      if isAlone { copyTicks += min(spent[0], spent[1]) }
    }
    return result
  }

  /// One instruction: the rows of a piece times the columns of a box.
  private mutating func contract(
    _ box: TiledContraction.Box, _ piece: [Range<Int>], _ rows: [AxisID], _ registerBase: Int,
    _ units: Range<Int>, _ tiled: TiledContraction, _ stream: Stream
  ) throws(Failure) {
    let kernel = tiled.plan.kernel
    let slices = 0..<tiled.streamed.sliceCount
    // Units: groups, sums, dealt, lanes.
    var unit = tiled.dealt * 8
    var reduced: [TiledLoop] = []
    for (sum, range) in zip(tiled.sums, box.sums).reversed() {
      var loop = TiledLoop(size: range.count)
      loop.isReduced = true
      loop.register = unit
      loop.first = range.lowerBound * sum.step
      loop.step = sum.step
      if sum.isRing {
        loop.kind = .ring1
      } else {
        loop.axis = sum.axis
        loop.isValidity = sum.axis == tiled.plan.packet
      }
      reduced.append(loop)
      unit *= range.count
    }
    reduced.reverse()
    if let index = reduced.firstIndex(where: { $0.isValidity }), let packet = tiled.plan.packet {
      reduced[index].isValidity = tiled.streamed.ranges[packet].count % tiled.plan.packetElements != 0
    }
    let retained = zip(rows, piece).map { axis, range in
      var loop = TiledLoop(size: range.count)
      loop.axis = axis
      loop.first = range.lowerBound
      return loop
    }
    var columns: [TiledLoop] = []
    if tiled.dealt > 1 {
      var loop = TiledLoop(size: tiled.dealt, kind: .reuse)
      loop.register = 8
      loop.isDealt = true
      columns.append(loop)
    }
    var group = TiledLoop(size: box.groups.count, kind: .reuse)
    group.axis = tiled.lane
    group.step = 8
    group.first = box.groups.lowerBound * 8
    group.register = unit
    columns.append(group)
    let isPart = !(box.isFirst && box.isLast)
    if isPart { reduced[0].isKept = true }
    let all = isPart ? reduced + retained + columns : retained + reduced + columns
    var loops = all.filter { $0.size > 1 || $0.isValidity || $0.isKept || $0.kind == .ring1 }
    if loops.count > 8, let index = loops.firstIndex(where: { $0.kind == .time && !$0.isReduced }) {
      // Over the sequencer's entries: one instruction per index of the outermost rows.
      guard !isPart, let number = rows.firstIndex(where: { $0 == loops[index].axis }) else {
        throw .doesNotFit("a nest of more than eight loops")
      }
      for step in piece[number] {
        var inner = piece
        inner[number] = step..<(step + 1)
        try contract(box, inner, rows, registerBase, units, tiled, stream)
      }
      return
    }
    guard loops.count <= 8 else { throw .doesNotFit("a nest of more than eight loops") }
    if loops.isEmpty {
      group.isKept = true
      loops = [group]
    }

    var body = TensorInstruction()
    body.sliceCount = UInt16(slices.count)
    var accesses: [Access] = [.read(.sram, stream.main.bytes, slices: slices)]
    var fetchBase = stream.main.base
    var resultBase = stream.result.base
    for loop in all {
      guard let axis = loop.axis else { continue }
      fetchBase += loop.first * stream.main.stride(axis)
      if !loop.isReduced { resultBase += loop.first * stream.result.stride(axis) }
    }
    body.fetch.base = Int32(fetchBase)
    body.fetch.element = stream.main.operand.type.element
    body.fetch.packetElements = UInt8(tiled.plan.packetElements)
    body.fetch.zeroPoint = Int16(stream.zeroPoint)
    body.accumulate.kind = .contract
    body.accumulate.lanes = 8
    body.accumulate.treeDepth = UInt8(tiled.plan.packetElements.trailingZeroBitCount)
    body.accumulate.laneOrder = .interleaved
    body.accumulate.registerBase = Int32(registerBase)
    body.accumulate.start = box.isFirst ? .zero : .keep
    body.accumulate.finish = box.isLast ? .drain : .keep
    accesses.append(.read(.registerFile, units))
    if let index = loops.firstIndex(where: { $0.isValidity }), let packet = tiled.plan.packet {
      body.fetch.validLoop = UInt8(index)
      body.fetch.validCount = UInt32(tiled.streamed.ranges[packet].count - loops[index].first)
    }
    for (map, extent) in zip(stream.mainMaps, stream.main.operand.type.shape)
    where tiled.streamed.leavesBounds(map, extent: extent) {
      var bound = TensorInstruction.Bound()
      var origin = tiled.streamed.origin(map)
      for loop in all { if let axis = loop.axis { origin += loop.first * map.coefficient(of: axis) } }
      bound.origin = Int32(origin)
      bound.coefficients = loops.map { loop in
        loop.kind == .time ? Int32(loop.axis.map { loop.step * map.coefficient(of: $0) } ?? 0) : 0
      }
      if let axis = tiled.plan.packet { bound.elementCoefficient = Int32(map.coefficient(of: axis)) }
      for term in map.terms {
        guard let part = tiled.streamed.parts[term.axis] else { continue }
        bound.divisor = UInt16(part.sliceStride)
        bound.modulus = UInt16(part.count)
        bound.step = Int32(term.coefficient * part.block)
      }
      bound.high = Int32(extent)
      body.fetch.bounds.append(bound)
    }
    body.loops = loops.map { loop in
      var entry = TensorInstruction.Loop()
      entry.size = UInt32(loop.size)
      entry.kind = loop.kind
      entry.isReduced = loop.isReduced
      if loop.kind == .time, let axis = loop.axis {
        entry.fetchStride = Int32(loop.step * stream.main.stride(axis))
      }
      entry.registerStride = Int32(loop.register)
      if !loop.isReduced, let axis = loop.axis, box.isLast {
        entry.commitStride = Int32(loop.step * stream.result.stride(axis))
      }
      return entry
    }
    if let sharing = tiled.sharing, sharing.mode == .gather {
      body.exchange.kind = .broadcast1
      body.exchange.outer = UInt16(sharing.count)
      body.exchange.inner = UInt16(sharing.sliceStride)
    }
    guard box.isLast else {
      run.append(.tensor(body), .main, accesses)
      return
    }
    if let sharing = tiled.sharing, sharing.mode == .scatter, let index = loops.firstIndex(where: \.isDealt) {
      body.reducer.kind = .sum
      body.reducer.size = UInt16(sharing.count)
      body.reducer.stride = UInt16(sharing.sliceStride)
      body.reducer.output = .scatter
      body.reducer.loop = UInt8(index)
    }
    if let sharing = tiled.sharing, sharing.mode == .all {
      body.reducer.kind = .sum
      body.reducer.size = UInt16(sharing.count)
      body.reducer.stride = UInt16(sharing.sliceStride)
    }
    body.vector.program = stream.program.isIdentity ? nil : run.pool(stream.program)
    for source in stream.sources {
      body.vector.operands.append(
        vectorOperand(source, all, loops, &body, &accesses, slices))
    }
    var commit = TensorInstruction.Commit()
    commit.base = Int32(resultBase)
    commit.element = kernel.element
    commit.elements = 8
    body.sink = .commit(commit)
    accesses.append(.write(.sram, stream.result.bytes, slices: slices))
    if stream.tableSlots > 0 { accesses.append(.read(.tables, 0..<(256 * stream.tableSlots))) }
    run.append(.tensor(body), .main, accesses)
  }

  private func vectorOperand(
    _ source: VectorSource, _ all: [TiledLoop], _ loops: [TiledLoop], _ body: inout TensorInstruction,
    _ accesses: inout [Access], _ slices: Range<Int>
  ) -> TensorInstruction.VectorOperand {
    func strides(_ stride: (AxisID) -> Int) -> (first: Int, steps: [Int32]) {
      let first = all.reduce(0) { sum, loop in
        loop.isReduced ? sum : sum + loop.first * (loop.axis.map(stride) ?? 0)
      }
      return (
        first,
        loops.map { loop in loop.isReduced ? 0 : Int32(loop.step * (loop.axis.map(stride) ?? 0)) }
      )
    }
    switch source.place {
    case .registers(let base, let words, let table):
      accesses.append(.read(.vectorRegisters, words))
      let (first, steps) = strides { table[$0] ?? 0 }
      for (index, step) in steps.enumerated() { body.loops[index].vectorStrides.append(step) }
      var operand = TensorInstruction.VectorOperand(.registers(base: Int32(base + first)))
      operand.isBroadcast = source.isBroadcast
      return operand
    case .second(let tile):
      accesses.append(.read(.sram, tile.bytes, slices: slices))
      let (first, steps) = strides { tile.stride($0) }
      for (index, step) in steps.enumerated() { body.loops[index].secondStride = step }
      var second = TensorInstruction.Second()
      second.base = Int32(tile.base + first)
      second.element = tile.operand.type.element
      var operand = TensorInstruction.VectorOperand(.second(second))
      operand.isBroadcast = source.isBroadcast
      return operand
    }
  }

  // MARK: The register file

  /// The constants in SRAM: all of a slice's units, or every `ring`-th of each box; then the words per column.
  private struct Standing {
    var base: Int
    var bytes: Range<Int>
    var ring: Int
    var inner: Int
    /// Where the packets of each box begin, in packets.
    var starts: [Int]
    var words: ColumnWords
  }

  /// Words per column for the vector program: operand after operand, in packets of eight, every `ring`-th in a slice.
  private struct ColumnWords {
    var operands: [Int]
    var columns: Int
    var ring = 1
    /// From the start of the slice's constants, in bytes.
    var start = 0

    var packets: Int { operands.count * columns / 8 }
    var packetsPerSlice: Int { (packets + ring - 1) / ring }
  }

  /// The operands of the vector program that are a word per column.
  private func columnConstants(
    _ indices: [Int], of node: KernelNode, _ tiled: TiledContraction
  ) -> ColumnWords {
    let operands = indices.filter { index in
      let operand = tiled.plan.kernel.operands[index]
      return graph.buffers[node.operands[index]].constant != nil && operand.type.element.size == 4
        && operand.maps.count == 1 && operand.maps[0] == .axis(tiled.lane) && operand.pre.isIdentity
    }
    return ColumnWords(
      operands: operands, columns: tiled.left.ranges[tiled.lane].count.roundedUp(toMultipleOf: 8))
  }

  /// Brings the constants to SRAM: each block to its slices, whole, or dealt out along the tiles that share it.
  private mutating func placeStanding(
    _ node: KernelNode, _ tiled: TiledContraction, _ boxes: [TiledContraction.Box], _ words: ColumnWords,
    spreads: Bool
  ) throws(Failure) -> Standing {
    let size = machine.packetBytes
    let slices = tiled.streamed.sliceCount
    let part = tiled.left.parts[tiled.lane]
    let count = tiled.sharing?.count ?? part?.count ?? 1
    let stride = tiled.sharing?.sliceStride ?? part?.sliceStride ?? 1
    let low = count > 1 ? stride : slices
    let high = max(slices / (low * count), 1)
    var ring = 1
    var inner = 1
    if spreads {
      if low > 1 { ring = low } else if high > 1 { (ring, inner) = (high, count) }
    }
    let capacity = machine.registerFileBytes / size
    guard ring & (ring - 1) == 0, inner & (inner - 1) == 0, capacity / 2 % ring == 0 else {
      throw .doesNotFit("a ring of \(ring) slices")
    }
    var words = words
    // Few to a slice: a long ring takes its time.
    words.ring = ring
    while words.ring > 1, words.packets <= words.ring { words.ring /= 2 }
    let most = machine.vectorRegisterBytes / 4
    let room = words.packets * 8 <= most / 2 ? most / 2 : most
    while words.ring > 1, words.packetsPerSlice * words.ring * 8 > room { words.ring /= 2 }
    let ranges = boxes.map { tiled.units($0) }
    var starts: [Int] = []
    var perSlice = 0
    for range in ranges {
      starts.append(perSlice)
      perSlice += (range.count + ring - 1) / ring
    }
    words.start = perSlice * size
    let bytes = words.start + words.packetsPerSlice * 32
    let address: Int
    if isDry {
      address = allocateDRAM(count * ring * bytes)
    } else {
      address = image(dealt(node, tiled, ranges, starts, words, blocks: count, ring: ring, bytes: bytes))
    }
    let (offset, isLoad) = try placeConstant(bytes, "the weights of '\(node.name)'")
    // In DRAM: block, ring, packets. What other tiles have as well is copied from the first that have it.
    var loops: [(count: Int, source: Int, distance: Int)] = [(count, ring * bytes, stride)]
    var copies: [(count: Int, distance: Int)] = []
    if ring > 1 {
      loops.append((ring, bytes, low == 1 ? count : 1))
    } else {
      copies.append((low, 1))
    }
    if ring == 1 || low > 1 { copies.append((high, low * count)) }
    loops.removeAll { $0.count == 1 }
    copies.removeAll { $0.count == 1 }
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
      offset..<(offset + bytes), covered: loops.map { ($0.count, $0.distance) }, copies: copies,
      isLoad: isLoad)
    return Standing(
      base: offset, bytes: offset..<(offset + bytes), ring: ring, inner: inner, starts: starts, words: words)
  }

  /// The bytes of all slices of a ring, block after block.
  private func dealt(
    _ node: KernelNode, _ tiled: TiledContraction, _ ranges: [Range<Int>], _ starts: [Int],
    _ words: ColumnWords, blocks: Int, ring: Int, bytes: Int
  ) -> [UInt8] {
    let size = machine.packetBytes
    var dealt = [UInt8](repeating: 0, count: blocks * ring * bytes)
    guard let constant = graph.buffers[node.operands[tiled.plan.stationary]].constant else { return dealt }
    let whole = tiled.image(constant, packetBytes: size)
    let perBlock = whole.count / blocks
    let block = tiled.left.parts[tiled.lane]?.block ?? tiled.left.ranges[tiled.lane].count
    let extent = tiled.plan.kernel.axes[tiled.lane].extent
    dealt.withUnsafeMutableBufferPointer { dealt in
      for owner in 0..<blocks {
        for (number, range) in ranges.enumerated() {
          for (index, unit) in range.enumerated() {
            let target = (owner * ring + index % ring) * bytes + (starts[number] + index / ring) * size
            let source = owner * perBlock + unit * size
            for byte in 0..<size { dealt[target + byte] = whole[source + byte] }
          }
        }
      }
      for (position, index) in words.operands.enumerated() {
        graph.buffers[node.operands[index]].constant?.withBytes { source in
          for column in 0..<extent {
            let place = position * words.columns + column % block
            let owners =
              tiled.sharing?.mode == .all ? 0..<blocks : (column / block)..<min(column / block + 1, blocks)
            for owner in owners {
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
  private mutating func loadBox(
    _ standing: Standing, _ tiled: TiledContraction, _ boxes: [TiledContraction.Box], _ number: Int
  ) -> (base: Int, units: Range<Int>) {
    let size = machine.packetBytes
    let capacity = machine.registerFileBytes / size
    let count = tiled.units(boxes[number]).count
    let packets = (count + standing.ring - 1) / standing.ring
    let units = packets * standing.ring
    var base = 0
    if units <= capacity / 2 {
      registerHalf = 1 - registerHalf
      base = registerHalf * capacity / 2
    }
    let operand = tiled.plan.kernel.operands[tiled.plan.stationary]
    var body = TensorInstruction()
    body.sliceCount = UInt16(tiled.streamed.sliceCount)
    body.fetch.element = operand.type.element
    body.fetch.packetElements = UInt8(size / operand.type.element.size)
    body.fetch.zeroPoint = Int16(operand.pre.subtractedInteger ?? 0)
    body.fetch.base = Int32(standing.base + standing.starts[number] * size)
    body.sink = .registerFile(base: Int32(base))
    body.gather(packets: packets, bytes: size, ring: standing.ring, inner: standing.inner)
    for index in body.loops.indices {
      body.loops[index].registerStride = Int32(index == 0 ? standing.ring : 1)
    }
    run.append(
      .tensor(body), .sub,
      [
        .read(.sram, standing.bytes, slices: 0..<tiled.streamed.sliceCount),
        .write(.registerFile, base..<(base + units)),
      ])
    return (base, base..<(base + units))
  }

  // MARK: Vector operands

  /// Words per column come in one load; other operands as everywhere.
  private mutating func tiledSources(
    _ indices: [Int], of node: KernelNode, _ tiled: TiledContraction, _ standing: Standing
  ) throws(Failure) -> [VectorSource] {
    let words = standing.words
    let others = indices.filter { !words.operands.contains($0) }
    let count = words.packetsPerSlice * words.ring * 8
    let capacity = machine.vectorRegisterBytes / 4
    guard count <= capacity else { throw .doesNotFit("vector operands need \(count) words of \(capacity)") }
    var base = 0
    var limit = capacity
    if count <= capacity / 2 {
      vectorHalf = 1 - vectorHalf
      base = vectorHalf * capacity / 2
      limit = base + capacity / 2
    }
    var sources: [Int: VectorSource] = [:]
    if count > 0 { loadWords(standing, tiled, base) }
    for (position, index) in words.operands.enumerated() {
      let start = base + position * words.columns
      sources[index] = VectorSource(
        place: .registers(base: start, words: start..<(start + words.columns), strides: [tiled.lane: 1]),
        isBroadcast: false)
    }
    let rest = try vectorSources(
      others, of: node, tiled.left, flitAxis: tiled.lane, from: base + count, limit: limit)
    for (index, source) in zip(others, rest) { sources[index] = source }
    return indices.compactMap { sources[$0] }
  }

  private mutating func loadWords(_ standing: Standing, _ tiled: TiledContraction, _ base: Int) {
    let words = standing.words
    let slices = tiled.streamed.sliceCount
    var body = TensorInstruction()
    body.sliceCount = UInt16(slices)
    body.fetch.base = Int32(standing.base + words.start)
    body.fetch.element = .i32
    body.fetch.packetElements = 8
    body.gather(packets: words.packetsPerSlice, bytes: 32, ring: words.ring, inner: standing.inner)
    for index in body.loops.indices {
      body.loops[index].commitStride = Int32(index == 0 ? 8 * words.ring : 8)
    }
    body.sink = .vectorRegisters(base: Int32(base))
    run.append(
      .tensor(body), .sub,
      [
        .read(.sram, standing.bytes, slices: 0..<slices),
        .write(.vectorRegisters, base..<(base + words.packetsPerSlice * words.ring * 8)),
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
