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
    _ node: KernelNode, _ tiled: TiledContraction, _ standing: Standing
  ) throws(Failure) -> Tile {
    let (plan, kernel) = (tiled.plan, tiled.plan.kernel)
    let operand = kernel.operands[plan.streamed]
    let points = plan.rows.reduce(1) { $0 * tiled.streamed.ranges[$1].count }
    guard let (boxes, isWhole) = tiled.boxes(machine, points: points) else {
      throw .doesNotFit("the register file is too small")
    }
    let dimension = plan.packet.flatMap(operand.dimension(of:))
    let main = try tile(
      plan.streamed, of: node, tiled.streamed, contiguous: dimension, isMasked: true)
    let (program, indices) = vectorProgram(of: kernel, streamed: nil)
    let placed = try placeStanding(
      tiled.constants(machine, boxes, columnConstants(indices, of: node, tiled.left, along: tiled.lane)),
      node, standing, most: machine.slices
    ) { tiled.image($0, packetBytes: $1) }
    let sources = try standingSources(indices, of: node, tiled.left, along: tiled.lane, placed)
    let result = try resultTile(node, tiled.left, innermost: tiled.lane, rounding: 8, mayJoin: true)
    var stream = Stream(
      geometry: tiled.streamed, main: main, program: program, sources: sources, result: result,
      resultElement: kernel.element)
    stream.packetAxis = plan.packet
    stream.packetElements = plan.packetElements
    stream.zeroPoint = Int(operand.pre.subtractedInteger ?? 0)
    let leaving = zip(operand.maps, operand.type.shape).count {
      stream.isBounded($0, extent: $1, packet: plan.packet)
    }
    guard leaving <= 2 else { throw .doesNotFit("more than two bounded coordinates") }
    try placeTables(kernel, &stream)

    let rows = plan.rows.filter { tiled.streamed.ranges[$0].count > 1 }
    let rowCounts = rows.map { tiled.streamed.ranges[$0].count }
    let pieces =
      isWhole
      ? [rowCounts.map { 0..<$0 }]
      : Nest.boxes(rowCounts, capacity: max(machine.accumulators / (8 * tiled.dealt), 1))
    let before = run.work
    var timed: [(shape: [Int], work: Work)] = []
    var start = 0
    while start < boxes.count {
      // The boxes of one group follow each other; rows that the cells do not hold together repeat them.
      var end = start
      while !boxes[end].isLast { end += 1 }
      for piece in pieces {
        for number in start...end {
          // Boxes of one shape take as long.
          let shape = boxes[number].shape + piece.map { $0.count }
          if isDry, let known = timed.first(where: { $0.shape == shape }) {
            run.spend(known.work)
            continue
          }
          let first = run.work
          let units = loadBox(placed, number)
          try contract(boxes[number], piece, rows, units.lowerBound, units, tiled, stream)
          if isDry { timed.append((shape, run.work - first)) }
        }
      }
      start = end + 1
    }
    if isDry {
      // Loads do not run beside the work where that needs all of the register file.
      let units = boxes.map { tiled.units($0).count }.max() ?? 0
      if units > machine.registerFileBytes / machine.packetBytes / 2 {
        let spent = run.work - before
        run.spend(Work(waiting: min(spent.main, spent.sub, waitingTicks(placed))))
      }
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
    var accesses: [Access] = []
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
    where stream.isBounded(map, extent: extent, packet: tiled.plan.packet) {
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
    accesses.append(.read(.sram, body.fetched(of: stream.main.bytes), slices: slices))
    if let sharing = tiled.sharing, sharing.mode == .gather {
      body.exchange.kind = .broadcast1
      body.exchange.outer = UInt16(sharing.count)
      body.exchange.inner = UInt16(sharing.sliceStride)
    }
    guard box.isLast else {
      run.append(.tensor(body), .main, accesses)
      return
    }
    if let sharing = tiled.sharing, sharing.mode == .reduce {
      body.reducer = sharing.reducer
      if let index = loops.firstIndex(where: \.isDealt) { body.reducer.loop = UInt8(index) }
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
    if let words = stream.tableWords { accesses.append(.read(.tables, words)) }
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
}
