import KernelIR
import Machine
import NPUISA
import Support
import Tensors

extension ProgramCompiler {
  // MARK: Homes

  /// Moves a buffer to DRAM, row-major, and returns its address.
  /// - Parameter address: where it has to lie unless it is there already; nil anywhere.
  @discardableResult
  mutating func bringToDRAM(_ buffer: BufferID, at address: Int? = nil) throws(Failure) -> Int {
    let home = home(of: buffer)
    if home.placement.memory == .dram, home.placement.isRowMajor { return home.placement.base }
    let type = graph.buffers[buffer].type
    let target = Placement(dram: address ?? allocateDRAM(byteCount(type)), type)
    let before = temporaries.count
    let innermost = type.shape.lastIndex { $0 > 1 } ?? 0
    let turned = home.placement.memory == .sram ? transposed(home, innermost: innermost) : nil
    let source = turned.map { Home(placement: $0.placement, owned: $0.bytes) } ?? home
    copyValues(try plan(joined(source, to: target), target, []))
    // What it takes on the way is free again at once: others may be brought to DRAM for the room.
    for offset in temporaries[before...] { sram.free(offset) }
    temporaries.removeSubrange(before...)
    vacate(buffer)
    settle(buffer, target, owned: nil)
    return target.base
  }

  func byteCount(_ type: TensorType) -> Int { type.shape.reduce(type.element.size, *) }

  /// Another shape over the same elements: free where the elements stay in their places.
  mutating func emitView(_ node: KernelNode) throws(Failure) {
    let type = graph.buffers[node.result].type
    let source = node.operands[0]
    let home = home(of: source)
    if home.placement.memory == .sram, let placement = home.placement.viewed(as: type.shape) {
      return settle(node.result, placement, owned: home.owned)
    }
    let isThere = home.placement.memory == .dram && home.placement.isRowMajor
    let address = try bringToDRAM(source, at: isThere ? nil : joinedAddress(node.result))
    settle(node.result, Placement(dram: address, type), owned: nil)
  }

  /// Dimensions in another order: elements stay in their places.
  mutating func emitTransposition(_ node: KernelNode, _ kernel: Kernel) throws(Failure) {
    let home = home(of: node.operands[0])
    guard let placement = home.placement.transposed(by: kernel) else {
      throw .doesNotFit("no transposition")
    }
    settle(node.result, placement, owned: home.owned)
  }

  // MARK: Copies

  /// A placement in SRAM for the result of a copy: one slice, the order of the first source's bytes.
  private mutating func copyTarget(_ node: KernelNode, _ kernel: Kernel) -> (Placement, Range<Int>?) {
    let type = kernel.result
    let bytes = byteCount(type)
    let nodes = graph.nodes
    let readers = nodes.ids.map { nodes[$0] }.filter { $0.operands.contains(node.result) }
    let isViewed = readers.contains { $0.kernel == nil }
    let isCopied = readers.contains { $0.kernel?.isCopy ?? false }
    guard !isViewed, !isCopied, !readers.isEmpty, bytes <= machine.sramBytesPerSlice / 8,
      let offset = sram.allocate(bytes)
    else { return (Placement(dram: allocateDRAM(bytes), type), nil) }
    let source = home(of: node.operands[0]).placement
    let axes = kernel.axes(.parallel)
    func reach(_ index: Int) -> Int {
      zip(source.dimensions, kernel.operands[0].maps).reduce(0) {
        $0 + ($1.0.stride * $1.1.coefficient(of: axes[index])).magnitudeAsInt
      }
    }
    let order = axes.indices.sorted { (reach($0), -$0) > (reach($1), -$1) }
    var dimensions = type.shape.map { Placement.Dimension(extent: $0, stride: 0) }
    _ = Placement.pack(&dimensions, order: order, unit: type.element.size)
    return (Placement(sram: offset, dimensions, type.element), offset..<(offset + bytes))
  }

  /// A move: DMA alone.
  mutating func emitMove(_ node: KernelNode, _ kernel: Kernel) throws(Failure) {
    var areThere = node.operands.map { isInPlace($0, in: node.result) }
    let (target, owned): (Placement, Range<Int>?)
    if reserved.contains(node.result), let room = homes[node.result]?.placement, room.memory == .dram {
      (target, owned) = (room, nil)
      reserved.remove(node.result)
    } else {
      areThere = areThere.map { _ in false }
      giveUpReserved(node.result)
      (target, owned) = copyTarget(node, kernel)
    }
    for (index, operand) in kernel.operands.enumerated() where !areThere[index] {
      try copyBox(operand, node.operands[index], kernel, to: target)
    }
    settle(node.result, target, owned: owned)
  }

  private mutating func copyBox(
    _ operand: Operand, _ buffer: BufferID, _ kernel: Kernel, to target: Placement
  ) throws(Failure) {
    let axes = kernel.axes(.parallel)
    let box = operand.box.isEmpty ? axes.map { 0..<kernel.axes[$0].extent } : operand.box
    var inside = box
    if case .fill(let bits) = operand.outside {
      guard let clipped = Self.inside(operand, axes, box) else {
        throw .unsupported(
          Diagnostic(.unsupportedKernel, "a copy fills around a coordinate that moves with several axes"))
      }
      inside = clipped
      for piece in Self.complement(of: inside, in: box) {
        try fill(piece, with: bits, operand.type.element, target)
      }
    }
    guard inside.allSatisfy({ !$0.isEmpty }) else { return }
    func maps() -> [CopyPlan.SourceMap] {
      operand.maps.map { map in
        CopyPlan.SourceMap(
          terms: map.terms.compactMap { term in
            axes.firstIndex(of: term.axis).map { ($0, term.coefficient) }
          }, offset: map.offset)
      }
    }
    let source = self.home(of: buffer)
    // The elements that follow each other in the target should do so in the source.
    let innermost = target.order.last.flatMap { operand.dimension(of: axes[$0]) }
    let from = innermost.flatMap { transposed(source, innermost: $0)?.placement } ?? source.placement
    var plan = CopyPlan(from: from, maps(), to: target, ranges: inside, window: window)
    if plan == nil {
      try bringToDRAM(buffer)
      plan = CopyPlan(from: home(of: buffer).placement, maps(), to: target, ranges: inside, window: window)
    }
    copyValues(plan?.descriptors ?? [])
  }

  /// The part of a box whose points read inside the operand; nil where that is no box.
  private static func inside(_ operand: Operand, _ axes: [AxisID], _ box: [Range<Int>]) -> [Range<Int>]? {
    var result = box
    for (map, extent) in zip(operand.maps, operand.type.shape) {
      switch map.terms.count {
      case 0:
        if map.offset < 0 || map.offset >= extent { return box.map { $0.lowerBound..<$0.lowerBound } }
      case 1:
        guard let index = axes.firstIndex(of: map.terms[0].axis) else { return nil }
        let coefficient = map.terms[0].coefficient
        let valid = result[index].filter { (0..<extent).contains($0 * coefficient + map.offset) }
        guard let first = valid.first, let last = valid.last else {
          return box.map { $0.lowerBound..<$0.lowerBound }
        }
        result[index] = first..<(last + 1)
      default:
        let low = zip(axes, box).reduce(map.offset) {
          let c = map.coefficient(of: $1.0)
          return $0 + min(c * $1.1.lowerBound, c * ($1.1.upperBound - 1))
        }
        let high = zip(axes, box).reduce(map.offset) {
          let c = map.coefficient(of: $1.0)
          return $0 + max(c * $1.1.lowerBound, c * ($1.1.upperBound - 1))
        }
        if low < 0 || high >= extent { return nil }
      }
    }
    return result
  }

  /// Boxes that together with `inner` make up `outer`.
  private static func complement(of inner: [Range<Int>], in outer: [Range<Int>]) -> [[Range<Int>]] {
    guard inner.allSatisfy({ !$0.isEmpty }) else { return [outer] }
    var pieces: [[Range<Int>]] = []
    var rest = outer
    for index in outer.indices {
      for side in [
        rest[index].lowerBound..<inner[index].lowerBound, inner[index].upperBound..<rest[index].upperBound,
      ] where !side.isEmpty {
        var piece = rest
        piece[index] = side
        pieces.append(piece)
      }
      rest[index] = inner[index]
    }
    return pieces
  }

  /// Writes one value to a box.
  private mutating func fill(
    _ box: [Range<Int>], with bits: UInt32, _ element: ElementType, _ target: Placement
  ) throws(Failure) {
    let count = 4096 / element.size
    let value: Scalar = element.isFloat ? .f32(Float(bitPattern: bits)) : .i32(Int32(bitPattern: bits))
    guard let tensor = try? Tensor(TensorType(element, [count]), { _ in value }) else { return }
    let page = Placement(dram: image(tensor.withBytes { Array($0) }), tensor.type)
    // Along the contiguous axis the page runs along, elsewhere it repeats.
    let smooth = box.indices.first { target.dimensions[$0].stride == element.size && box[$0].count <= count }
    let map = CopyPlan.SourceMap(
      terms: smooth.map { [($0, 1)] } ?? [], offset: smooth.map { -box[$0].lowerBound } ?? 0)
    guard let plan = CopyPlan(from: page, [map], to: target, ranges: box, window: window) else { return }
    copy(plan.descriptors)
  }

  // MARK: Rows by index

  /// A gather or scatter, from DRAM to DRAM; the list of indices is in DRAM too.
  mutating func emitRows(_ node: KernelNode, _ kernel: Kernel) throws(Failure) {
    for operand in node.operands { try bringToDRAM(operand) }
    let target = Placement(dram: allocateDRAM(byteCount(kernel.result)), kernel.result)
    let axes = kernel.axes(.parallel)
    switch kernel.form {
    case .gather(let dimension):
      try rows(
        node, kernel, dimension, data: kernel.operands[0], source: node.operands[0], over: axes, to: target,
        side: .gather)
    case .scatter(let dimension):
      try copyBox(kernel.operands[0], node.operands[0], kernel, to: target)
      try rows(
        node, kernel, dimension, data: kernel.operands[2], source: node.operands[2],
        over: axes.filter { $0 != axes[dimension] } + kernel.axes(.reduce), to: target, side: .scatter)
    default: break
    }
    settle(node.result, target, owned: nil)
  }

  /// One descriptor per index: the other axes are its loops. In one context they stay in order, so the last of equal
  /// indices wins.
  private mutating func rows(
    _ node: KernelNode, _ kernel: Kernel, _ dimension: Int, data: Operand, source: BufferID,
    over axes: [AxisID],
    to target: Placement, side: DMAInstruction.Index.Side
  ) throws(Failure) {
    let list = kernel.operands[1]
    let from = home(of: source).placement
    let listHome = home(of: node.operands[1]).placement
    let results = kernel.axes(.parallel)
    let indexed = axes.filter { list.depends(on: $0) }
    let free = axes.filter { !list.depends(on: $0) }
    for operand in [list, data] where operand.outside != .never {
      throw .unsupported(Diagnostic(.unsupportedKernel, "rows by index that leave their bounds"))
    }
    func offset(
      _ maps: [AffineMap], _ dimensions: [Placement.Dimension], _ point: [AxisID: Int], except skipped: Int?
    ) -> Int {
      zip(maps, dimensions).enumerated().reduce(0) { total, entry in
        guard entry.offset != skipped else { return total }
        let coordinate = entry.element.0.terms.reduce(entry.element.0.offset) {
          $0 + $1.coefficient * (point[$1.axis] ?? 0)
        }
        return total + coordinate * entry.element.1.stride
      }
    }
    let skippedSource = side == .gather ? dimension : nil
    let skippedTarget = side == .scatter ? dimension : nil
    let targetMaps = results.map { AffineMap.axis($0) }
    let loops = free.map { axis in
      var unit: [AxisID: Int] = [axis: 1]
      let away =
        offset(data.maps, from.dimensions, unit, except: skippedSource)
        - offset(data.maps, from.dimensions, [:], except: skippedSource)
      unit = [axis: 1]
      let along = offset(targetMaps, target.dimensions, unit, except: skippedTarget)
      return DMAInstruction.Loop(
        UInt32(kernel.axes[axis].extent), source: Int64(away), destination: Int64(along))
    }.filter { $0.size > 1 }
    guard free.allSatisfy({ kernel.axes[$0].extent > 0 }), loops.count <= 7 else { return }
    let size = data.type.element.size
    let row = side == .gather ? from.dimensions[dimension].stride : target.dimensions[dimension].stride
    var point: [AxisID: Int] = [:]
    let counts = indexed.map { kernel.axes[$0].extent }
    for number in 0..<counts.reduce(1, *) {
      var rest = number
      for (axis, count) in zip(indexed, counts).reversed() {
        point[axis] = rest % count
        rest /= count
      }
      let place = listHome.base + offset(list.maps, listHome.dimensions, point, except: nil)
      var descriptor = DMAInstruction(
        from: .init(
          .dram, Int64(from.base + offset(data.maps, from.dimensions, point, except: skippedSource))),
        to: .init(
          .dram, Int64(target.base + offset(targetMaps, target.dimensions, point, except: skippedTarget))),
        run: UInt32(size),
        [.init(1, source: side == .gather ? Int64(row) : 0, destination: side == .scatter ? Int64(row) : 0)]
          + loops)
      let extent = side == .gather ? from.dimensions[dimension].extent : target.dimensions[dimension].extent
      descriptor.index = .init(side, list: .init(.dram, Int64(place)), rows: UInt32(extent))
      // The row is found at run time: the whole tensor is touched.
      let whole = from.base..<(from.base + max(byteCount(data.type), 1))
      let written = target.base..<(target.base + max(byteCount(kernel.result), 1))
      run.append(
        .dma(descriptor), .dma(0),
        [.read(.dram, whole), .read(.dram, place..<(place + 4)), .write(.dram, written)])
    }
  }
}

extension Int {
  fileprivate var magnitudeAsInt: Int { self < 0 ? -self : self }
}
