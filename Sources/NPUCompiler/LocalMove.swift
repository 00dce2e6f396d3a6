import KernelIR
import Machine
import NPUISA
import Support
import Tensors

extension ProgramCompiler {
  /// Geometries under which every source of a move lies in the slices that its part of the result belongs to.
  func localGeometries(_ node: KernelNode, _ kernel: Kernel) -> [Geometry] {
    guard kernel.form == .move, kernel.operands.allSatisfy({ $0.outside == .never }) else { return [] }
    var geometries: [Geometry] = []
    for (operand, buffer) in zip(kernel.operands, node.operands) {
      guard let placement = homes[buffer]?.placement, placement.memory == .sram else { continue }
      for geometry in movingGeometries(operand, placement, kernel)
      where !geometries.contains(where: { $0.parts == geometry.parts }) { geometries.append(geometry) }
    }
    // Else cut along the longest axis that no source cuts or shifts: the others lie whole in a slice.
    let whole = kernel.axes(.parallel).filter { axis in
      kernel.axes[axis].extent > 1 && kernel.keeps(axis)
        && kernel.operands.allSatisfy { $0.dimension(of: axis) != nil }
    }
    if let axis = whole.max(by: { (kernel.axes[$0].extent, $1) < (kernel.axes[$1].extent, $0) }) {
      var count = 1
      while count < machine.slices, count < kernel.axes[axis].extent { count *= 2 }
      var geometry = Geometry(kernel)
      geometry.slice(axis, count: count, block: (kernel.axes[axis].extent + count - 1) / count, stride: 1)
      if !geometries.contains(where: { $0.parts == geometry.parts }) { geometries.append(geometry) }
    }
    for geometry in tiles(node, kernel, limit: 4)
    where geometry.parts.keys.allSatisfy(whole.contains)
      && !geometries.contains(where: { $0.parts == geometry.parts })
    {
      geometries.append(geometry)
    }
    return geometries
  }

  /// How a move may be cut for a source that lies so: as it is cut along the dimensions that no source shifts; along the
  /// others the switch brings its blocks together.
  func movingGeometries(_ operand: Operand, _ placement: Placement, _ kernel: Kernel) -> [Geometry] {
    var geometry = Geometry(kernel)
    for (map, dimension) in zip(operand.maps, placement.dimensions) where dimension.blocks > 1 {
      guard map.terms.count == 1, let axis = map.terms.first?.axis, geometry.parts[axis] == nil else {
        return []
      }
      guard kernel.keeps(axis), dimension.step * dimension.blocks >= kernel.axes[axis].extent else {
        continue
      }
      geometry.slice(axis, count: dimension.blocks, block: dimension.step, stride: dimension.sliceStride)
    }
    guard !geometry.parts.isEmpty, geometry.repeatWork(upTo: placement.sliceCount) else { return [] }
    return [geometry]
  }

  /// Runs a move as one instruction per source, through the tensor unit and within slices.
  mutating func emitLocalMove(_ node: KernelNode, _ geometry: Geometry, flitAxis: AxisID?) throws(Failure) {
    let kernel = geometry.kernel
    let axes = kernel.axes(.parallel)
    // The last of several flits of a source may reach beyond its end, and beyond that of the result.
    var rounding = min(Self.flitWidth(geometry, flitAxis), flitAxis.map { geometry.ranges[$0].count } ?? 8)
    if let flitAxis, geometry.parts[flitAxis] == nil, let index = axes.firstIndex(of: flitAxis) {
      if kernel.operands.allSatisfy({ !$0.box.isEmpty }) { rounding = 1 }
      for operand in kernel.operands where !operand.box.isEmpty {
        let range = operand.box[index]
        let end = range.count > 8 ? range.count.roundedUp(toMultipleOf: 8) : range.count
        rounding = max(rounding, range.lowerBound + end)
      }
    }
    let (wanted, _) = resultPlacement(node.result, geometry, innermost: flitAxis, rounding: rounding)
    let own = reservedTile(node, wanted)
    let result: Tile
    if let own {
      result = Tile(
        placement: own.placement, operand: Operand(kernel.result, axes.map { .axis($0) }),
        origin: axes.map { geometry.ranges[$0].lowerBound }, bytes: own.owned ?? 0..<0)
    } else {
      giveUpReserved(node.result)
      result = try resultTile(node, geometry, innermost: flitAxis, rounding: rounding)
    }
    // Flits are whole: what one source writes beyond its end, the next writes again.
    let order = kernel.operands.indices.sorted { first, second in
      guard let flitAxis, let index = axes.firstIndex(of: flitAxis) else { return first < second }
      let starts = [first, second].map {
        kernel.operands[$0].box.isEmpty ? 0 : kernel.operands[$0].box[index].lowerBound
      }
      return (starts[0], first) < (starts[1], second)
    }
    var repeats = result.placement.repeats
    for index in order {
      let operand = kernel.operands[index]
      if own != nil, isInPlace(node.operands[index], in: node.result) { continue }
      repeats = min(repeats, geometry.sliceCount)
      var copy = Kernel(.map, kernel.element)
      for axis in axes { copy.axis(kernel.axes[axis].name, kernel.axes[axis].extent) }
      copy.operands = [Operand(operand.type, operand.maps)]
      copy.post = Program { $0.append(.operand(0)) }
      var piece = Geometry(copy)
      var origin = [Int](repeating: 0, count: axes.count)
      for (position, axis) in axes.enumerated() {
        let range = operand.box.isEmpty ? 0..<kernel.axes[axis].extent : operand.box[position]
        if let part = geometry.parts[axis] {
          guard range == 0..<kernel.axes[axis].extent else { throw .doesNotFit("a source within blocks") }
          piece.slice(axis, count: part.count, block: part.block, stride: part.sliceStride)
        } else {
          piece.restrict(axis, to: range)
          origin[position] = range.lowerBound
        }
      }
      guard piece.repeatWork(upTo: geometry.sliceCount) else { throw .doesNotFit("slices between blocks") }
      let part = KernelNode(
        name: node.name, sources: node.sources, body: .kernel(copy), operands: [node.operands[index]],
        result: node.result)
      let tile = Tile(
        placement: result.placement, operand: result.operand, origin: origin, bytes: result.bytes)
      try emitVector(part, piece, flitAxis: flitAxis, result: tile, isExact: true)
    }
    guard own != nil else { return settle(node.result, result.placement, owned: result.bytes) }
    reserved.remove(node.result)
    homes[node.result]?.placement.repeats = repeats
  }

  // MARK: Orders of elements

  /// Where a value lies with the elements along another dimension side by side: a copy that each slice makes of its own
  /// bytes, until the kernel ends; nil where that is not worth it.
  /// - Parameter filling: emits what brings the value there, once it is sure that it is needed.
  mutating func transposed(
    _ home: Home, innermost: Int, filling: (inout ProgramCompiler) -> Void = { _ in }
  ) -> (placement: Placement, bytes: Range<Int>)? {
    let source = home.placement
    let size = source.element.size
    guard source.memory == .sram, size == 1 || size == 4, source.dimensions.indices.contains(innermost),
      let packed = source.dimensions.indices.first(where: {
        source.dimensions[$0].stride == size && source.dimensions[$0].span > 1
      }), packed != innermost, source.dimensions[innermost].span >= 4
    else { return nil }
    let uneven = source.isWhole ? [] : source.dimensions.indices.filter { source.dimensions[$0].isUneven }
    guard uneven.count <= 1, !uneven.contains(packed), !uneven.contains(innermost) else { return nil }
    var dimensions = source.dimensions
    for index in dimensions.indices { (dimensions[index].roomBefore, dimensions[index].roomBehind) = (0, 0) }
    // Whole groups of eight by eight.
    let (rows, columns) = (dimensions[innermost].span, dimensions[packed].span)
    dimensions[innermost].span = rows.roundedUp(toMultipleOf: 8)
    dimensions[packed].span = columns.roundedUp(toMultipleOf: 8)
    let others = dimensions.indices.filter { $0 != packed && $0 != innermost }
    let bytes = Placement.pack(&dimensions, order: others + [packed, innermost], unit: size)
    dimensions[innermost].span = rows
    dimensions[packed].span = columns
    guard let offset = sram.allocate(bytes) else { return nil }
    temporaries.append(offset)

    var body = TensorInstruction()
    body.sliceCount = UInt16(source.sliceCount)
    body.fetch.base = Int32(source.base)
    body.fetch.element = size == 1 ? .i8 : .i32
    body.fetch.packetElements = 8
    func append(_ count: Int, _ fetch: Int, _ commit: Int) {
      var loop = TensorInstruction.Loop()
      loop.size = UInt32(count)
      loop.fetchStride = Int32(fetch)
      loop.commitStride = Int32(commit)
      body.loops.append(loop)
    }
    var loopOf: [Int: Int] = [:]
    for index in others where dimensions[index].span > 1 {
      loopOf[index] = body.loops.count
      append(dimensions[index].span, source.dimensions[index].stride, dimensions[index].stride)
    }
    guard body.loops.count <= 6 else { return nil }
    body.fetch.validLoop = UInt8(body.loops.count)
    body.fetch.validCount = UInt32(columns)
    append((columns + 7) / 8, 8 * size, 8 * dimensions[packed].stride)
    var bound = TensorInstruction.Bound()
    bound.coefficients = [Int32](repeating: 0, count: body.loops.count) + [1]
    bound.high = Int32(rows)
    append(rows.roundedUp(toMultipleOf: 8), source.dimensions[innermost].stride, size)
    body.fetch.bounds = [bound]
    for index in uneven {
      let dimension = source.dimensions[index]
      var bound = TensorInstruction.Bound()
      bound.origin = Int32(dimension.origin)
      bound.coefficients = body.loops.indices.map { loopOf[index] == $0 ? 1 : 0 }
      bound.divisor = UInt16(dimension.sliceStride)
      bound.modulus = UInt16(dimension.blocks)
      bound.step = Int32(dimension.step)
      bound.high = Int32(dimension.extent)
      body.fetch.bounds.append(bound)
    }
    var commit = TensorInstruction.Commit()
    commit.base = Int32(offset)
    commit.element = body.fetch.element
    commit.transposeRows = 8
    commit.columnStride = Int32(dimensions[packed].stride)
    body.sink = .commit(commit)
    filling(&self)
    let slices = 0..<source.sliceCount
    let read = home.owned ?? 0..<machine.sramBytesPerSlice
    run.appendToEither(
      body,
      [
        .read(.sram, read, slices: slices), .write(.sram, offset..<(offset + bytes), slices: slices),
      ])
    var placement = Placement(sram: offset, dimensions, source.element)
    // What a bound keeps out reads as zero.
    placement.isWhole = true
    return (placement, offset..<(offset + bytes))
  }
}

extension Kernel {
  /// Whether every source of a move has its elements where the result has them along an axis.
  fileprivate func keeps(_ axis: AxisID) -> Bool {
    let index = axes(.parallel).firstIndex(of: axis)
    return operands.allSatisfy { operand in
      operand.maps.allSatisfy { $0.coefficient(of: axis) == 0 || $0 == .axis(axis) }
        && (operand.box.isEmpty || index.map { operand.box[$0] == 0..<axes[axis].extent } ?? false)
    }
  }
}
