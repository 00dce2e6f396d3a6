import KernelIR
import Machine
import NPUISA
import Support
import Tensors

extension ProgramCompiler {
  /// Runs a contraction over the ranges of the geometry into `result`.
  mutating func emitContraction(
    _ node: KernelNode, _ geometry: Geometry, _ plan: Contraction, result: Tile
  ) throws(Failure) {
    guard graph.buffers[node.operands[plan.stationary]].constant != nil,
      let neighbours = NeighbourLanes(geometry, plan, machine)
    else { return try emitContraction(node, geometry, plan, result: result, nil) }
    try emitContraction(
      node, neighbours.geometry, Contraction(plan, neighbours), result: neighbours.result(result), neighbours)
  }

  private mutating func emitContraction(
    _ node: KernelNode, _ geometry: Geometry, _ plan: Contraction, result: Tile,
    _ neighbours: NeighbourLanes?
  ) throws(Failure) {
    let kernel = geometry.kernel
    let operand = kernel.operands[plan.streamed]
    let isFlat = plan.packet.flatMap(operand.dimension(of:))
    let main = try tile(plan.streamed, of: node, geometry, contiguous: isFlat)
    let (program, vectorOperands) = vectorProgram(of: kernel, streamed: nil)
    let group = plan.isDepthwise ? plan.packetElements : 8
    var stream = Stream(
      geometry: geometry, main: main, program: program, result: result, resultElement: kernel.element)
    stream.packetAxis = plan.packet
    stream.packetElements = plan.packetElements
    stream.zeroPoint = Int(operand.pre.subtractedInteger ?? 0)
    if case .fill(let bits) = operand.outside {
      if operand.type.element.isFloat {
        stream.outside = bits
      } else if Int(Int32(bitPattern: bits)) != stream.zeroPoint {
        stream.outside = UInt32(bitPattern: Int32(bitPattern: bits) &- Int32(stream.zeroPoint))
      }
    }
    stream.flitAxis = plan.flitAxis
    stream.resultElements = plan.flitAxis == nil ? 1 : 8
    stream.flits = plan.isDepthwise ? plan.packetElements / 8 : 1
    stream.laneAxis = neighbours?.lane
    stream.accumulate.kind = .contract
    stream.accumulate.lanes = UInt8(plan.lanes)
    stream.accumulate.treeDepth =
      plan.isDepthwise ? 0 : UInt8(plan.packetElements.trailingZeroBitCount)
    stream.accumulate.laneOrder = plan.isDepthwise ? .sequential : .interleaved
    if let digit = geometry.reducing { stream.reducer = .init(summing: digit) }
    try placeTables(kernel, &stream)

    let outer = (plan.batch + plan.columns).map { ($0, $0 == plan.lane ? 8 : 1) }
    let sums = plan.summed()
    func count(_ loop: (axis: AxisID, step: Int)) -> Int {
      (geometry.ranges[loop.axis].count + loop.step - 1) / loop.step
    }
    let depth = plan.isDepthwise ? plan.packet.map { ($0, plan.packetElements) } : nil
    let perGroup = plan.weighed().reduce(1) { $0 * count($1) } * plan.lanes * (depth.map { count($0) } ?? 1)
    let capacity = machine.registerFileBytes / machine.packetBytes
    let cellGroups = max(
      machine.accumulators / (plan.lanes * (plan.isDepthwise ? plan.packetElements : 1)), 1)
    if perGroup <= capacity {
      // Whole sums: the register file holds some columns, all rows stream by.
      let pieces = Nest.boxes(outer.map(count), capacity: min(capacity / perGroup, cellGroups))
      let units = pieces.map { $0.reduce(perGroup) { $0 * $1.count } }
      let placed = try standing(
        node, geometry, plan, units: units, vectorOperands, group: group, neighbours)
      let weights = try placed == nil ? stationary(node, geometry, plan) : nil
      if let placed, let axis = plan.flitAxis {
        stream.sources = try standingSources(
          vectorOperands, of: node, geometry, along: axis, group: group, placed)
      } else {
        stream.sources = try vectorSources(
          vectorOperands, of: node, geometry, flitAxis: plan.flitAxis, group: group)
      }
      for (number, box) in pieces.enumerated() {
        let ranges = zip(outer, box).map {
          NestLoop(axis: $0.0, range: Self.indices(of: $0.0, step: $0.1, $1, geometry), step: $0.1)
        }
        let sumLoops = sums.map { loop in Self.nestLoop(loop, 0..<count(loop), geometry, isReduced: true) }
        let depthLoops = depth.map { [Self.nestLoop($0, 0..<count($0), geometry, isReduced: false)] } ?? []
        let loops = ranges + sumLoops + depthLoops
        if let placed {
          Self.stand(in: loadBox(placed, number), plan, loops, &stream)
        } else if let weights {
          loadRegisters(weights, plan, loops, geometry, &stream)
        }
        let batch = ranges.filter { plan.batch.contains($0.axis) }
        let columns = Self.reused(ranges, plan.columns)
        let rows = plan.rows.map { NestLoop(axis: $0, range: 0..<geometry.ranges[$0].count) }
        try emit(
          stream,
          batch + rows + Self.markValidity(depthLoops, plan) + Self.markValidity(sumLoops, plan) + columns)
      }
      return
    }
    // The sums come apart: for some rows and columns, one instruction after another adds a part of them to the
    // accumulators.
    guard depth == nil else { throw .doesNotFit("a depthwise window above the register file") }
    let weights = try stationary(node, geometry, plan)
    stream.sources = try vectorSources(
      vectorOperands, of: node, geometry, flitAxis: plan.flitAxis, group: group)
    let sumBoxes = Nest.boxes(sums.map(count), capacity: capacity / plan.lanes)
    let outerBoxes = Nest.boxes(outer.map(count), capacity: 1)
    let rowBoxes = Nest.boxes(plan.rows.map { geometry.ranges[$0].count }, capacity: cellGroups)
    for outerBox in outerBoxes {
      let ranges = zip(outer, outerBox).map {
        NestLoop(axis: $0.0, range: Self.indices(of: $0.0, step: $0.1, $1, geometry), step: $0.1)
      }
      for rowBox in rowBoxes {
        let rows = zip(plan.rows, rowBox).map { NestLoop(axis: $0, range: $1) }
        for (number, sumBox) in sumBoxes.enumerated() {
          var sumLoops = zip(sums, sumBox).map { Self.nestLoop($0, $1, geometry, isReduced: true) }
          loadRegisters(weights, plan, ranges + sumLoops, geometry, &stream)
          stream.accumulate.start = number == 0 ? .zero : .keep
          stream.accumulate.finish = number == sumBoxes.count - 1 ? .drain : .keep
          sumLoops = Self.markValidity(sumLoops, plan)
          sumLoops[0].isKept = true
          let columns = Self.reused(ranges, plan.columns)
          let batch = ranges.filter { plan.batch.contains($0.axis) }
          try emit(stream, sumLoops + batch + rows + columns)
        }
      }
    }
  }

  private static func reused(_ loops: [NestLoop], _ axes: [AxisID]) -> [NestLoop] {
    loops.filter { axes.contains($0.axis) }.map { loop in
      var loop = loop
      loop.kind = .reuse
      return loop
    }
  }

  /// Indices of an axis that a range of loop steps covers.
  private static func indices(of axis: AxisID, step: Int, _ steps: Range<Int>, _ geometry: Geometry) -> Range<
    Int
  > {
    (steps.lowerBound * step)..<min(steps.upperBound * step, geometry.ranges[axis].count)
  }

  private static func nestLoop(
    _ loop: (axis: AxisID, step: Int), _ steps: Range<Int>, _ geometry: Geometry, isReduced: Bool
  ) -> NestLoop {
    NestLoop(
      axis: loop.axis, range: Self.indices(of: loop.axis, step: loop.step, steps, geometry), step: loop.step,
      isReduced: isReduced)
  }

  private static func markValidity(_ loops: [NestLoop], _ plan: Contraction) -> [NestLoop] {
    loops.map { loop in
      var loop = loop
      loop.isValidity = loop.axis == plan.packet && loop.range.count % plan.packetElements != 0
      return loop
    }
  }

  // MARK: The stationary operand

  /// The stationary operand in SRAM: packed units of a constant, or a tile.
  enum Weights {
    /// Bytes per loop step of the register axes, from `base` on; a unit is `packetBytes`, lanes one after another.
    case packed(base: Int, bytes: Range<Int>, strides: [AxisID: Int])
    case tile(Tile)
  }

  /// A constant of which boxes are loaded one after another, with the words per element of a flit; nil for others, and where
  /// the slices cut it along other axes than that of the flits.
  private mutating func standing(
    _ node: KernelNode, _ geometry: Geometry, _ plan: Contraction, units: [Int], _ vectorOperands: [Int],
    group: Int, _ neighbours: NeighbourLanes?
  ) throws(Failure) -> PlacedConstants? {
    guard graph.buffers[node.operands[plan.stationary]].constant != nil, let axis = plan.flitAxis else {
      return nil
    }
    let axes = plan.registerAxes()
    let cut = axes.map(\.axis).filter { geometry.parts[$0] != nil }
    guard cut.isEmpty || cut == [axis] else { return nil }
    let operand = geometry.kernel.operands[plan.stationary]
    let part = geometry.parts[axis]
    var boxes: [Range<Int>] = []
    for count in units {
      let start = boxes.last?.upperBound ?? 0
      boxes.append(start..<(start + count))
    }
    let constants = StandingConstants(
      operand: operand, index: plan.stationary, slices: geometry.sliceCount,
      digit: .init(count: part?.count ?? 1, sliceStride: part?.sliceStride ?? 1), boxes: boxes,
      words: columnConstants(vectorOperands, of: node, geometry, along: axis, group: group))
    let counts = axes.map { (geometry.ranges[$0.axis].count + $0.step - 1) / $0.step }
    let bytes = counts.reduce(machine.packetBytes * plan.lanes, *)
    // Short rings load fast; longer ones take less room.
    return try placeStanding(constants, node, .dealt, most: bytes > 4096 ? machine.slices : 8, mayOwn: true) {
      constant, size in
      UnitImage(
        constant: neighbours?.spread(constant, into: operand.type) ?? constant, operand: operand, plan: plan,
        geometry: geometry, cut: cut, axes: axes, counts: counts, packetBytes: size
      ).bytes(blocks: part?.count ?? 1, blockBytes: bytes)
    }
  }

  private mutating func stationary(
    _ node: KernelNode, _ geometry: Geometry, _ plan: Contraction
  ) throws(Failure) -> Weights {
    let buffer = node.operands[plan.stationary]
    guard let constant = graph.buffers[buffer].constant else {
      let dimension = plan.packet.flatMap(geometry.kernel.operands[plan.stationary].dimension(of:))
      return .tile(try tile(plan.stationary, of: node, geometry, contiguous: dimension))
    }
    return try packed(constant, node, geometry, plan)
  }

  /// Lays a constant out as units in DRAM, block after block, and brings every slice its block.
  private mutating func packed(
    _ constant: Tensor, _ node: KernelNode, _ geometry: Geometry, _ plan: Contraction
  ) throws(Failure) -> Weights {
    let operand = geometry.kernel.operands[plan.stationary]
    let axes = plan.registerAxes()
    let counts = axes.map { (geometry.ranges[$0.axis].count + $0.step - 1) / $0.step }
    let unitBytes = machine.packetBytes * plan.lanes
    var strides: [AxisID: Int] = [:]
    var bytes = unitBytes
    for (loop, count) in zip(axes, counts).reversed() {
      strides[loop.axis] = bytes
      bytes *= count
    }
    let cut = axes.map(\.axis).filter { geometry.parts[$0] != nil }
    let blocks = cut.reduce(1) { $0 * (geometry.parts[$1]?.count ?? 1) }
    let image = UnitImage(
      constant: constant, operand: operand, plan: plan, geometry: geometry, cut: cut, axes: axes,
      counts: counts,
      packetBytes: machine.packetBytes)
    let whole =
      isDry
      ? [UInt8](repeating: 0, count: blocks * bytes) : image.bytes(blocks: blocks, blockBytes: bytes)
    let address = self.image(whole)
    let (offset, isLoad) = try place(bytes, isConstant: true, "the weights of '\(node.name)'")

    // Blocks follow each other in DRAM, the last cut axis running fastest.
    var loops: [DMAInstruction.Loop] = []
    var apart = bytes * blocks
    for axis in cut {
      guard let part = geometry.parts[axis] else { continue }
      apart /= part.count
      loops.append(
        .init(UInt32(part.count), source: Int64(apart), destination: Int64(part.sliceStride * window)))
    }
    let covered = cut.compactMap { geometry.parts[$0] }.map { (count: $0.count, distance: $0.sliceStride) }
    var start = 0
    while start < bytes {
      let run = min(4096, bytes - start)
      let whole = run == 4096 ? (bytes - start) / 4096 : 1
      let inner = whole > 1 ? [DMAInstruction.Loop(UInt32(whole), source: 4096, destination: 4096)] : []
      let descriptor = DMAInstruction(
        from: .init(.dram, Int64(address + start)), to: .init(.sram, Int64(offset + start)), run: UInt32(run),
        loops + inner)
      copy([descriptor], isLoad: isLoad, engine: 1)
      start += run * whole
    }
    copyAcross(
      offset..<(offset + bytes), covered: covered,
      copies: geometry.copies(of: operand).map { ($0.count, $0.sliceStride) }, isLoad: isLoad)
    return .packed(base: offset, bytes: offset..<(offset + bytes), strides: strides)
  }

  /// Unit strides per loop step, in the order of the register axes, and the units of all.
  private static func unitStrides(
    _ plan: Contraction, _ box: [NestLoop]
  ) -> (order: [NestLoop], strides: [AxisID: Int], units: Int) {
    let order = plan.registerAxes().compactMap { entry in box.first { $0.axis == entry.axis } }
    var units = plan.lanes
    var strides: [AxisID: Int] = [:]
    for loop in order.reversed() {
      strides[loop.axis] = units
      units *= loop.size
    }
    return (order, strides, units)
  }

  /// Lets the stream read a box that stands in a range of units.
  private static func stand(
    in units: Range<Int>, _ plan: Contraction, _ box: [NestLoop], _ stream: inout Stream
  ) {
    let (order, strides, _) = Self.unitStrides(plan, box)
    stream.registerStrides = strides
    stream.registerUnits = units
    // A box begins at its first unit, whatever its indices.
    var base = units.lowerBound
    for loop in order { base -= loop.range.lowerBound / loop.step * (strides[loop.axis] ?? 0) }
    stream.accumulate.registerBase = Int32(base)
  }

  /// Loads the units of a box into the register file from unit 0 on, and sets their strides in the stream.
  private mutating func loadRegisters(
    _ weights: Weights, _ plan: Contraction, _ box: [NestLoop], _ geometry: Geometry,
    _ stream: inout Stream
  ) {
    let operand = geometry.kernel.operands[plan.stationary]
    let (order, unitStrides, units) = Self.unitStrides(plan, box)
    var body = TensorInstruction()
    body.sliceCount = UInt16(geometry.sliceCount)
    body.fetch.element = operand.type.element
    body.fetch.zeroPoint = Int16(operand.pre.subtractedInteger ?? 0)
    body.sink = .registerFile(base: 0)
    let bytes: Range<Int>
    func append(_ size: Int, fetch: Int, unit: Int, keeps: Bool = false) {
      guard size > 1 || keeps else { return }
      var loop = TensorInstruction.Loop()
      loop.size = UInt32(size)
      loop.fetchStride = Int32(fetch)
      loop.registerStride = Int32(unit)
      body.loops.append(loop)
    }
    let slices = geometry.sliceCount
    switch weights {
    case .packed(let base, let range, let strides):
      bytes = range
      body.fetch.packetElements = UInt8(machine.packetBytes / operand.type.element.size)
      var first = base
      var loops: [(size: Int, fetch: Int, unit: Int)] = []
      for loop in order {
        let stride = strides[loop.axis] ?? 0
        first += loop.range.lowerBound / loop.step * stride
        loops.append((loop.size, stride, unitStrides[loop.axis] ?? 0))
      }
      loops.append((plan.lanes, machine.packetBytes, 1))
      for loop in Self.merged(loops) { append(loop.size, fetch: loop.fetch, unit: loop.unit) }
      body.fetch.base = Int32(first)
    case .tile(let tile):
      bytes = tile.bytes
      body.fetch.packetElements = UInt8(plan.packetElements)
      var first = tile.base
      for loop in order {
        let stride = tile.stride(loop.axis)
        first += loop.range.lowerBound * stride
        let unit = unitStrides[loop.axis] ?? 0
        if loop.axis == plan.lane {
          let group = body.loops.count
          append(loop.size, fetch: 8 * stride, unit: unit, keeps: true)
          append(8, fetch: stride, unit: 1)
          if loop.range.count % 8 != 0 {
            var bound = TensorInstruction.Bound()
            bound.high = Int32(loop.range.count)
            bound.coefficients = [Int32](repeating: 0, count: group) + [8, 1]
            body.fetch.bounds.append(bound)
          }
        } else if loop.axis == plan.packet {
          let isRagged = loop.range.count % plan.packetElements != 0
          if isRagged {
            body.fetch.validLoop = UInt8(body.loops.count)
            body.fetch.validCount = UInt32(loop.range.count)
          }
          append(loop.size, fetch: loop.step * stride, unit: unit, keeps: isRagged)
        } else {
          append(loop.size, fetch: stride, unit: unit)
        }
      }
      body.fetch.base = Int32(first)
      let loopCount = body.loops.count
      for index in body.fetch.bounds.indices {
        let missing = loopCount - body.fetch.bounds[index].coefficients.count
        body.fetch.bounds[index].coefficients += [Int32](repeating: 0, count: missing)
      }
    }
    Self.stand(in: 0..<units, plan, box, &stream)
    registerLoads.close(overlapping: 0..<units)
    run.append(
      .tensor(body), .sub,
      [.read(.sram, bytes, slices: 0..<slices), .write(.registerFile, 0..<units)])
  }

  private static func merged(
    _ loops: [(size: Int, fetch: Int, unit: Int)]
  ) -> [(size: Int, fetch: Int, unit: Int)] {
    var result: [(size: Int, fetch: Int, unit: Int)] = []
    for loop in loops where loop.size > 1 {
      if let outer = result.last, outer.fetch == loop.fetch * loop.size, outer.unit == loop.unit * loop.size,
        outer.size * loop.size <= 65_536
      {
        result[result.count - 1] = (outer.size * loop.size, loop.fetch, loop.unit)
      } else {
        result.append(loop)
      }
    }
    return result
  }
}

/// A constant as units of the register file: for every block, every index of the register axes, every lane, one packet.
private struct UnitImage {
  let constant: Tensor
  let operand: Operand
  let plan: Contraction
  let geometry: Geometry
  let cut: [AxisID]
  let axes: [(axis: AxisID, step: Int)]
  let counts: [Int]
  let packetBytes: Int

  func bytes(blocks: Int, blockBytes: Int) -> [UInt8] {
    let size = operand.type.element.size
    let zero = UInt8(truncatingIfNeeded: operand.pre.subtractedInteger ?? 0)
    var image = [UInt8](repeating: size == 1 ? zero : 0, count: blocks * blockBytes)
    let strides = operand.type.strides
    var weight = SideTable<AxisID, Int>(default: 0)
    var origin = 0
    for (map, stride) in zip(operand.maps, strides) {
      origin += map.offset * stride
      for term in map.terms { weight[term.axis] += term.coefficient * stride }
    }
    constant.withBytes { source in
      for block in 0..<blocks {
        var start = SideTable<AxisID, Int>(default: 0)
        var rest = block
        for axis in cut.reversed() {
          guard let part = geometry.parts[axis] else { continue }
          start[axis] = rest % part.count * part.block
          rest /= part.count
        }
        var place = block * blockBytes
        var point = [Int](repeating: 0, count: axes.count)
        repeat {
          var base = origin
          var lanes = plan.lanes
          // One weight for the whole packet where the constant does not move with it.
          var elements = axes.contains { $0.axis == plan.packet } ? 1 : plan.packetElements
          for (index, loop) in axes.enumerated() {
            let first = point[index] * loop.step
            base += (start[loop.axis] + geometry.ranges[loop.axis].lowerBound + first) * weight[loop.axis]
            // Blocks may reach beyond the end.
            let left = min(
              geometry.ranges[loop.axis].count - first,
              geometry.kernel.axes[loop.axis].extent - start[loop.axis]
                - geometry.ranges[loop.axis].lowerBound - first)
            if left <= 0 {
              lanes = 0
            } else if loop.axis == plan.lane {
              lanes = min(lanes, left)
            } else if loop.axis == plan.packet {
              elements = min(plan.packetElements, left)
            }
          }
          for lane in 0..<lanes {
            let row = base + (plan.lane.map { lane * weight[$0] } ?? 0)
            for element in 0..<elements {
              let from = (row + (plan.packet.map { element * weight[$0] } ?? 0)) * size
              for byte in 0..<size {
                image[place + lane * packetBytes + element * size + byte] = source[from + byte]
              }
            }
          }
          place += packetBytes * plan.lanes
        } while Nest.advance(&point, counts)
      }
    }
    return image
  }
}
