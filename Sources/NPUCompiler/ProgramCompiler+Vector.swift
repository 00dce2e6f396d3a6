import KernelIR
import Machine
import NPUISA
import Support
import Tensors

extension ProgramCompiler {
  /// A placement for the result of a kernel: every parallel axis cut as the geometry says, the flit axis innermost and
  /// padded to whole flits.
  /// - Parameter joining: of the concatenation whose part the kernel makes: the placement is that of the whole.
  func resultPlacement(
    _ result: BufferID, _ geometry: Geometry, innermost: AxisID?, rounding: Int, of joining: Joining? = nil
  ) -> (placement: Placement, bytes: Int) {
    let axes = geometry.kernel.axes(.parallel)
    let rooms = room[result]
    var dimensions = axes.enumerated().map { index, axis in
      let extent = joining?.extents[index] ?? geometry.kernel.axes[axis].extent
      let range = joining?.dimension == index ? 0..<extent : geometry.ranges[axis]
      var dimension = Placement.Dimension(extent: extent, stride: 0)
      dimension.origin = range.lowerBound
      dimension.span = range.count
      dimension.defined = range.count
      if let part = geometry.parts[axis] {
        dimension.step = part.block
        dimension.blocks = part.count
        dimension.sliceStride = part.sliceStride
        if part.count > 1, index < rooms.count, axis != innermost {
          dimension.roomBefore = min(rooms[index].before, dimension.reach)
          dimension.roomBehind = min(rooms[index].behind, dimension.reach)
        }
      }
      return dimension
    }
    var order = Array(axes.indices)
    if let innermost, let index = axes.firstIndex(of: innermost) {
      order = order.filter { $0 != index } + [index]
      dimensions[index].defined = (dimensions[index].span + rounding - 1) / rounding * rounding
    }
    let element = geometry.kernel.element
    let bytes = Placement.pack(
      &dimensions, order: order, unit: element.size, rounding: innermost == nil ? 1 : rounding)
    // The base is where block 0 begins, behind the room before it.
    let base = dimensions.reduce(0) { $0 + $1.roomBefore * $1.stride }
    var placement = Placement(sram: base, dimensions, element)
    placement.repeats = geometry.sliceCount
    return (placement, bytes)
  }

  /// Elements of a flit along an axis of `count` indices: eight, or fewer where that holds them all.
  static func flitWidth(_ count: Int) -> Int {
    var width = 1
    while width < min(count, 8) { width *= 2 }
    return width
  }

  static func flitWidth(_ geometry: Geometry, _ axis: AxisID?) -> Int {
    axis.map { flitWidth(geometry.ranges[$0].count) } ?? 8
  }

  /// Reserves the result and describes it as a tile.
  /// - Parameter mayJoin: whether it may lie within that of a concatenation.
  mutating func resultTile(
    _ node: KernelNode, _ geometry: Geometry, innermost: AxisID?, rounding: Int, mayJoin: Bool = false
  ) throws(Failure) -> Tile {
    if mayJoin, let tile = joinedTile(node, geometry, innermost: innermost, rounding: rounding) {
      return tile
    }
    var (placement, bytes) = resultPlacement(
      node.result, geometry, innermost: innermost, rounding: rounding)
    let offset = try allocateSRAM(bytes, for: "the result of '\(node.name)'")
    placement.base += offset
    let axes = geometry.kernel.axes(.parallel)
    let operand = Operand(geometry.kernel.result, axes.map { .axis($0) })
    return Tile(
      placement: placement, operand: operand, origin: axes.map { geometry.ranges[$0].lowerBound },
      bytes: offset..<(offset + bytes))
  }

  /// Runs a map or a reduction over the ranges of the geometry into `result`.
  /// - Parameter isExact: whether a flit that holds the whole axis writes no element beyond it.
  mutating func emitVector(
    _ node: KernelNode, _ geometry: Geometry, flitAxis: AxisID?, result: Tile, isExact: Bool = false
  ) throws(Failure) {
    let kernel = geometry.kernel
    var accumulate = TensorInstruction.Accumulate()
    let streamed: Int
    if case .reduce(let reduction) = kernel.form {
      streamed = 0
      accumulate.kind = reduction.accumulation
      let count = kernel.reductionAxes.reduce(1) { $0 * kernel.axes[$1].extent }
      accumulate.hasSixteenPartials = reduction == .sum && count > 64 && kernel.inputKind == .float
    } else {
      streamed = streamedOperand(of: kernel, flitAxis: flitAxis)
    }
    let operand = kernel.operands[streamed]
    let dimension = flitAxis.flatMap(operand.dimension(of:))
    let isPacked = dimension != nil
    guard isPacked || flitAxis.map({ !operand.depends(on: $0) }) ?? true else {
      throw .doesNotFit("operand \(streamed) has gaps along the flit axis")
    }
    let main = try tile(streamed, of: node, geometry, contiguous: dimension)
    let (program, indices) = vectorProgram(of: kernel, streamed: kernel.form == .map ? streamed : nil)
    let width = Self.flitWidth(geometry, flitAxis)
    let sources = try vectorSources(indices, of: node, geometry, flitAxis: flitAxis, width: width)

    var stream = Stream(
      geometry: geometry, main: main, program: program, sources: sources, result: result,
      resultElement: kernel.element)
    stream.accumulate = accumulate
    stream.flitAxis = flitAxis
    stream.packetAxis = isPacked ? flitAxis : nil
    stream.packetElements = isPacked ? width : 1
    stream.isBroadcast = !isPacked && flitAxis != nil
    let count = flitAxis.map { geometry.ranges[$0].count } ?? 1
    stream.resultElements = isExact ? min(width, count) : flitAxis == nil ? 1 : width
    try adapt(operand, kernel.tables, &stream, isReduction: kernel.form != .map)
    try placeTables(kernel, &stream)

    var nest: [NestLoop] = []
    for axis in kernel.axes(.parallel) {
      var loop = NestLoop(axis: axis, range: 0..<geometry.ranges[axis].count)
      if axis == flitAxis {
        loop.step = width
        loop.isValidity = isPacked && loop.range.count % width != 0
      }
      nest.append(loop)
    }
    for axis in kernel.reductionAxes {
      nest.append(NestLoop(axis: axis, range: 0..<geometry.ranges[axis].count, isReduced: true))
    }
    try emit(stream, nest)
  }

  /// The operand of a map that goes through the tensor unit: one that leaves its bounds if any, else the largest that
  /// has the flit axis without gaps, else the largest.
  private func streamedOperand(of kernel: Kernel, flitAxis: AxisID?) -> Int {
    func size(_ index: Int) -> (Int, Int, Int) {
      let operand = kernel.operands[index]
      let leaves = operand.outside != .never ? 1 : 0
      let smooth = flitAxis.map { operand.dimension(of: $0) != nil } ?? true
      return (leaves, smooth ? 1 : 0, operand.type.shape.reduce(1, *))
    }
    return kernel.operands.indices.max { size($0) < size($1) } ?? 0
  }

  /// Sets the fetch adapter for an operand: zero point, table, and what stands outside the bounds.
  private mutating func adapt(
    _ operand: Operand, _ tables: [Table], _ stream: inout Stream, isReduction: Bool
  ) throws(Failure) {
    let isInside = zip(operand.maps, operand.type.shape).allSatisfy {
      !stream.geometry.leavesBounds($0.0, extent: $0.1)
    }
    var fill: Scalar?
    if case .fill(let bits) = operand.outside, !isInside {
      fill = operand.type.element.isFloat ? .f32(Float(bitPattern: bits)) : .i32(Int32(bitPattern: bits))
    }
    if isReduction, !operand.pre.isIdentity {
      if let zeroPoint = operand.pre.subtractedInteger, (-256...255).contains(zeroPoint) {
        stream.zeroPoint = Int(zeroPoint)
        if case .i32(let value) = fill { fill = .i32(value &- zeroPoint) }
      } else if let table = operand.pre.tabulated(over: operand.type.element, tables) {
        try loadTable(table, slot: 0, slices: stream.geometry.sliceCount)
        stream.table = 0
        stream.tableSlots = 0..<1
        if let value = fill { fill = operand.pre.value(at: value, tables) }
      } else {
        throw .doesNotFit("the pre-program of operand 0 has no table")
      }
    }
    switch fill {
    case .i32(let value): stream.outside = UInt32(bitPattern: value)
    case .f32(let value): stream.outside = value.bitPattern
    case nil: break
    }
  }

  /// Loads the tables of a kernel's program: behind those that the adapter uses, or one in turn to the first slots, so that it
  /// comes while the kernel before reads another.
  mutating func placeTables(_ kernel: Kernel, _ stream: inout Stream) throws(Failure) {
    guard stream.program.steps.ids.contains(where: { stream.program.steps[$0].isTable }) else { return }
    var slots = stream.tableSlots
    if slots.isEmpty, kernel.tables.count == 1, machine.tableSlots > 1 {
      slots = tableTurn..<tableTurn
      tableTurn = 1 - tableTurn
    }
    let first = slots.upperBound
    for (index, table) in kernel.tables.enumerated() {
      guard table.low == -128, table.entries.count == 256 else {
        throw .doesNotFit("a table of \(table.entries.count) entries")
      }
      try loadTable(table, slot: first + index, slices: stream.geometry.sliceCount)
    }
    stream.tableSlots = slots.lowerBound..<(first + kernel.tables.count)
    let program = stream.program
    stream.program = Program { target in
      program.inline(into: &target, input: nil, operand: { $0.append(.operand($1)) }, table: { first + $0 })
    }
  }
}

extension Kernel.Reduction {
  fileprivate var accumulation: TensorInstruction.Accumulate.Kind {
    switch self {
    case .sum: .sum
    case .product: .product
    case .maximum: .maximum
    case .minimum: .minimum
    case .argumentOfMaximum: .argumentOfMaximum
    case .argumentOfMinimum: .argumentOfMinimum
    }
  }
}
