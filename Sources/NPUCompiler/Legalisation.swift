import KernelIR
import Support
import Tensors

extension KernelGraph {
  /// The same results from kernels that the slice machine can express one by one: operands that the fetch cannot
  /// bound are padded by copies, pre-programs that the adapter cannot tabulate become maps, tables get 256 entries.
  func legalised() -> KernelGraph {
    var legaliser = Legaliser(self)
    return legaliser.run()
  }
}

private struct Legaliser {
  private let old: KernelGraph
  private var new: KernelGraph
  private var ids: SideTable<BufferID, BufferID>

  init(_ graph: KernelGraph) {
    old = graph
    new = KernelGraph(name: graph.name)
    ids = SideTable(default: .none)
  }

  mutating func run() -> KernelGraph {
    for id in old.buffers.ids {
      let buffer = old.buffers[id]
      if buffer.definition != .result { ids[id] = new.buffers.append(buffer) }
    }
    for id in old.nodes.ids {
      let node = old.nodes[id]
      let name = old.buffers[node.result].name
      var operands = node.operands.map { ids[$0] }
      guard var kernel = node.kernel else {
        ids[node.result] = new.view(
          operands[0], old.buffers[node.result].type.shape, node: node.name, sources: node.sources, name: name
        )
        continue
      }
      if let moved = moved(node, kernel, operands) {
        ids[node.result] = new.view(
          moved, kernel.result.shape, node: node.name, sources: node.sources, name: name)
        continue
      }
      kernel.widenTables()
      if let stored = kernel.reducingStored() { kernel = stored }
      if !kernel.isCopy { adapt(&kernel, &operands, node) }
      if let stages = kernel.inStages() {
        operands[0] = new.kernel(stages.first, [operands[0]], node: node.name, sources: node.sources)
        kernel = stages.second
      }
      if kernel.form == .contract {
        interleave(&kernel, &operands, node)
        subsample(&kernel, &operands, node)
      }
      ids[node.result] = new.kernel(kernel, operands, node: node.name, sources: node.sources, name: name)
    }
    new.outputs = old.outputs.map { ids[$0] }
    return new
  }

  /// Rows by a constant list as a move: the axis of the list comes apart in two, so that along the outer one
  /// neighbours read at a constant distance; nil where that takes too many pieces.
  private mutating func moved(
    _ node: KernelNode, _ kernel: Kernel, _ operands: [BufferID]
  ) -> BufferID? {
    guard case .gather(let dimension) = kernel.form, kernel.elements > 0,
      let list = old.buffers[node.operands[1]].constant, kernel.operands[1].maps.count == 1,
      let pattern = RowPattern(list, rows: kernel.operands[0].type.shape[dimension])
    else { return nil }
    let listed = kernel.operands[1].maps[0]
    guard listed.offset == 0, listed.terms.count == 1, listed.terms[0].coefficient == 1 else { return nil }
    let axis = listed.terms[0].axis
    // A list may be longer than what is read of it.
    guard kernel.axes[axis].extent == pattern.count * pattern.period else { return nil }
    let data = kernel.operands[0]
    guard data.outside == .never,
      data.maps.indices.allSatisfy({ $0 == dimension || data.maps[$0].coefficient(of: axis) == 0 })
    else { return nil }
    var move = Kernel(.move, kernel.element)
    var moved: [AxisID: AxisID] = [:]
    var box: [Range<Int>] = []
    var place = 0
    for old in kernel.axes(.parallel) {
      guard old == axis else {
        moved[old] = move.axis(kernel.axes[old].name, kernel.axes[old].extent)
        box.append(0..<kernel.axes[old].extent)
        continue
      }
      place = box.count
      moved[old] = move.axis(kernel.axes[old].name, pattern.count)
      move.axis("\(kernel.axes[old].name)r", pattern.period)
      box += [0..<pattern.count, 0..<pattern.period]
    }
    guard let outer = moved[axis] else { return nil }
    for piece in pattern.pieces {
      var operand = data
      for index in data.maps.indices where index != dimension {
        var map = AffineMap(data.maps[index].offset)
        for term in data.maps[index].terms {
          guard let axis = moved[term.axis] else { return nil }
          map = map + .axis(axis, times: term.coefficient)
        }
        operand.maps[index] = map
      }
      let first = piece.row - piece.step * piece.range.lowerBound
      operand.maps[dimension] =
        piece.step == 0 ? AffineMap(first) : .axis(outer, times: piece.step) + AffineMap(first)
      operand.box = box
      operand.box[place] = piece.range
      operand.box[place + 1] = piece.phase..<(piece.phase + 1)
      move.operands.append(operand)
    }
    let sources = move.operands.map { _ in operands[0] }
    return new.kernel(move, sources, node: node.name, sources: node.sources)
  }

  private mutating func adapt(_ kernel: inout Kernel, _ operands: inout [BufferID], _ node: KernelNode) {
    if case .reduce = kernel.form { liftPreProgram(&kernel, &operands, node) }
    for index in kernel.operands.indices {
      let operand = kernel.operands[index]
      let geometry = Geometry(kernel)
      let leaving = zip(operand.maps, operand.type.shape).count { geometry.leavesBounds($0, extent: $1) }
      guard leaving > 0, let fill = kernel.padding(of: index, leaving: leaving) else { continue }
      operands[index] = pad(&kernel, index, operands[index], fill, node)
    }
  }

  /// A pre-program of a reduction that is neither a zero point nor a table becomes a map before it.
  private mutating func liftPreProgram(
    _ kernel: inout Kernel, _ operands: inout [BufferID], _ node: KernelNode
  ) {
    let operand = kernel.operands[0]
    guard !operand.pre.isIdentity, operand.pre.subtractedInteger == nil,
      let kind = try? kernel.valueKind(of: operand)
    else { return }
    // Entries of the adapter's tables count as integers where nothing tells their kind.
    let table = operand.pre.tabulated(over: operand.type.element, kernel.tables)
    guard table == nil || kind == .float else { return }
    var map = Kernel(.map, kind == .float ? .f32 : .i32)
    let axes = operand.type.shape.enumerated().map { map.axis("d\($0)", $1) }
    map.operands = [Operand(operand.type, axes.map { .axis($0) })]
    map.tables = kernel.tables
    map.post = Program { program in
      let value = program.append(.operand(0))
      return operand.pre.inline(into: &program, input: value, operand: { $0.append(.operand($1)) })
    }
    operands[0] = new.kernel(map, [operands[0]], node: node.name, sources: node.sources)
    kernel.operands[0].type = map.result
    kernel.operands[0].pre = .identity
    if case .fill(let bits) = operand.outside {
      let stored: Scalar =
        operand.type.element.isFloat ? .f32(Float(bitPattern: bits)) : .i32(Int32(bitPattern: bits))
      switch operand.pre.value(at: stored, kernel.tables) {
      case .i32(let value): kernel.operands[0].outside = .fill(UInt32(bitPattern: value))
      case .f32(let value): kernel.operands[0].outside = .fill(value.bitPattern)
      case nil: break
      }
    }
  }

  /// Makes one axis of a window's columns and the few channels of an image, which lie side by side in what it reads then: as they
  /// came, if their order was only changed before, or packed.
  private mutating func interleave(_ kernel: inout Kernel, _ operands: inout [BufferID], _ node: KernelNode) {
    guard let interleaving = Interleaving(kernel), let weights = old.buffers[node.operands[1]].constant,
      old.buffers[node.operands[0]].constant == nil
    else { return }
    let channels = kernel.operands[0].type.shape[interleaving.channels]
    let lies = new.source(of: operands[0], with: interleaving)
    let pixels = kernel.operands[0].type.shape.reduce(1, *) / channels
    guard lies != nil || pixels >= Self.manyPixels else { return }
    let pitch = lies == nil ? 4 : channels
    guard let (interleaved, packed) = interleaving.apply(to: kernel, weights, pitch: pitch) else { return }
    let image =
      lies
      ?? new.kernel(
        interleaving.packing(kernel.operands[0], pitch: pitch), [operands[0]], node: node.name,
        sources: node.sources)
    operands[0] = new.view(
      image, interleaved.operands[0].type.shape, node: node.name, sources: node.sources)
    operands[1] = new.constant(packed)
    kernel = interleaved
  }

  /// Lets a contraction that reads every n-th row or column alone (a shortcut of a residual network) read what is left of them:
  /// if that has to be brought elsewhere, it is the less.
  private mutating func subsample(_ kernel: inout Kernel, _ operands: inout [BufferID], _ node: KernelNode) {
    var operand = kernel.operands[0]
    guard old.buffers[node.operands[0]].constant == nil, operand.outside == .never,
      operand.type.shape.reduce(operand.type.element.size, *) >= Self.manyBytes
    else { return }
    var copy = Kernel(.map, operand.type.element)
    var maps: [AffineMap] = []
    var isThinned = false
    for (index, map) in operand.maps.enumerated() {
      let moving = map.terms.filter { kernel.axes[$0.axis].extent > 1 }
      let axis = copy.axis(
        "d\(index)",
        moving.count == 1 && moving[0].coefficient > 1
          ? kernel.axes[moving[0].axis].extent : operand.type.shape[index])
      guard moving.count == 1, moving[0].coefficient > 1 else {
        maps.append(.axis(axis))
        continue
      }
      guard kernel.axes[moving[0].axis].role == .parallel, operand.dimensions(of: moving[0].axis) == 1 else {
        return
      }
      maps.append(.axis(axis, times: moving[0].coefficient) + AffineMap(map.offset))
      operand.maps[index] = .axis(moving[0].axis)
      isThinned = true
    }
    guard isThinned else { return }
    copy.operands = [Operand(operand.type, maps)]
    copy.post = Program { $0.append(.operand(0)) }
    operand.type = copy.result
    kernel.operands[0] = operand
    operands[0] = new.kernel(copy, [operands[0]], node: node.name, sources: node.sources)
  }

  /// Of an image, from which on packing it is worth a kernel.
  private static let manyPixels = 128

  /// Of a value, from which on copies of it take long.
  private static let manyBytes = 65_536

  /// Copies an operand into a larger tensor that has `fill` all around.
  private mutating func pad(
    _ kernel: inout Kernel, _ index: Int, _ buffer: BufferID, _ fill: UInt32, _ node: KernelNode
  ) -> BufferID {
    var operand = kernel.operands[index]
    var copy = Kernel(.move, operand.type.element)
    var maps: [AffineMap] = []
    var box: [Range<Int>] = []
    for (position, map) in operand.maps.enumerated() {
      let reached = map.interval(over: kernel.ranges) ?? 0...0
      let (low, high) = (reached.lowerBound, reached.upperBound)
      let axis = copy.axis("d\(position)", high - low + 1)
      maps.append(.axis(axis) + AffineMap(low))
      box.append(0..<(high - low + 1))
      operand.maps[position].offset -= low
    }
    copy.operands = [Operand(operand.type, maps, outside: .fill(fill), box: box)]
    operand.type = copy.result
    operand.outside = .never
    kernel.operands[index] = operand
    return new.kernel(copy, [buffer], node: node.name, sources: node.sources)
  }
}

extension KernelGraph {
  /// What a value came from by a change of the order of its dimensions alone, if columns and then channels are the last there.
  fileprivate func source(of buffer: BufferID, with interleaving: Interleaving) -> BufferID? {
    guard let node = nodes.ids.first(where: { nodes[$0].result == buffer }).map({ nodes[$0] }),
      let kernel = node.kernel, let sources = kernel.transposition
    else { return nil }
    let shape = buffers[node.operands[0]].type.shape
    let order = sources.indices.filter { $0 != interleaving.columns && $0 != interleaving.channels }
      .filter { kernel.result.shape[$0] > 1 }.map { sources[$0] }
    let last = [sources[interleaving.columns], sources[interleaving.channels]]
    let kept = shape.indices.filter { shape[$0] > 1 }.map(Optional.some)
    return order + last == kept ? node.operands[0] : nil
  }
}

extension Operand {
  /// How many dimensions move with an axis.
  fileprivate func dimensions(of axis: AxisID) -> Int { maps.count { $0.coefficient(of: axis) != 0 } }
}

extension Kernel {
  /// What must lie around an operand so that it can be read without bounds; nil if the fetch bounds it, or if nothing
  /// would do.
  fileprivate func padding(of index: Int, leaving: Int) -> UInt32? {
    let operand = operands[index]
    switch (form, operand.outside) {
    case (_, .never): return nil
    case (.contract, .fill(let bits)) where index < 2:
      let isZero =
        !operand.type.element.isFloat && Int32(bitPattern: bits) == operand.pre.subtractedInteger ?? 0
      return isZero && leaving <= 2 ? nil : bits
    case (.contract, .skip):
      guard leaving > 2, accumulation == .integer else { return nil }
      return UInt32(bitPattern: operand.pre.subtractedInteger ?? 0)
    case (.map, .fill(let bits)):
      let others = operands.count { $0.outside != .never }
      return leaving > 2 || others > 1 ? bits : nil
    case (.reduce, .fill(let bits)): return index > 0 || leaving > 2 ? bits : nil
    case (_, .fill(let bits)): return bits
    case (.reduce(let reduction), .skip):
      guard leaving > 2, operand.pre.isIdentity else { return nil }
      return reduction.neutral(operand.type.element)
    case (_, .skip): return nil
    }
  }

  /// Extends tables to the 256 keys of a slot; keys beyond a table read its first or last entry already.
  fileprivate mutating func widenTables() {
    tables = tables.map { table in
      let high = Int(table.low) + table.entries.count - 1
      guard table.low >= -128, high <= 127, table.entries.count < 256 else { return table }
      let entries = (-128...127).map { key in
        table.entries[min(max(key, Int(table.low)), high) - Int(table.low)]
      }
      return Table(low: -128, isFloat: table.isFloat, entries: entries)
    }
  }
}

extension Kernel.Reduction {
  /// A stored value that changes no result, if the type has one.
  fileprivate func neutral(_ element: ElementType) -> UInt32? {
    let isFloat = element == .f32
    guard isFloat || element == .i8 || element == .i32 else { return nil }
    switch self {
    case .sum: return 0
    case .product: return isFloat ? Float(1).bitPattern : 1
    // A window that is skipped altogether has the extreme of i32, which a narrower type cannot store.
    case .maximum where element != .i8:
      return isFloat ? (-Float.infinity).bitPattern : UInt32(bitPattern: .min)
    case .minimum where element != .i8:
      return isFloat ? Float.infinity.bitPattern : UInt32(bitPattern: .max)
    case .maximum, .minimum: return nil
    case .argumentOfMaximum, .argumentOfMinimum: return nil
    }
  }
}
