import KernelIR
import Support
import Tensors

extension KernelGraph {
  /// The same results with concatenations of equal parts as stacks, along a dimension of their own: channels c of all parts are
  /// one block of c, so that parts whose channels are cut over slices may stay there. So it is where contractions add over
  /// all of it, or after reductions that keep its channels apart.
  func stacked() -> KernelGraph {
    var stacker = Stacker(self)
    return stacker.run()
  }
}

/// A dimension of a value that becomes two: that of the parts, and that of the indices of one.
private struct Stack: Hashable {
  var dimension: Int
  var parts: Int

  func shape(_ old: [Int]) -> [Int] {
    Array(old[..<dimension]) + [parts, old[dimension] / parts] + old[(dimension + 1)...]
  }
}

private struct Stacker {
  private let old: KernelGraph
  private var new: KernelGraph
  /// What becomes of a value; nil: nothing.
  private var stacks = SideTable<BufferID, Stack?>(default: nil)
  private var readers = SideTable<BufferID, [KernelID]>(default: [])
  /// In the new graph, as stacks and as they were.
  private var stackIDs = SideTable<BufferID, BufferID>(default: .none)
  private var ids = SideTable<BufferID, BufferID>(default: .none)

  init(_ graph: KernelGraph) {
    old = graph
    new = KernelGraph(name: graph.name)
    for id in old.nodes.ids { for operand in Set(old.nodes[id].operands) { readers[operand].append(id) } }
    // A part may be a stack itself; it then has its old shape for the other.
    for id in old.nodes.ids { plan(old.nodes[id]) }
  }

  // MARK: Which

  private mutating func plan(_ node: KernelNode) {
    guard let kernel = node.kernel, let dimension = kernel.concatenated, node.operands.count > 1,
      Set(node.operands).count == node.operands.count
    else { return }
    let parts = node.operands.count
    let extents = kernel.operands.map { $0.type.shape[dimension] }
    let stack = Stack(dimension: dimension, parts: parts)
    var reached: [BufferID: Stack] = [:]
    guard extents.allSatisfy({ $0 == extents[0] && $0 > 1 }), stacks[node.result] == nil,
      readsAll(of: node.result, stack, &reached)
    else { return }
    for (buffer, stack) in reached { stacks[buffer] = stack }
    for part in node.operands where stacks[part] == nil {
      let single = Stack(dimension: dimension, parts: 1)
      if makes(part, single) { stacks[part] = single }
    }
  }

  /// Whether all that reads a value can read it as a stack; collects what becomes a stack with it.
  private func readsAll(of buffer: BufferID, _ stack: Stack, _ reached: inout [BufferID: Stack]) -> Bool {
    guard !readers[buffer].isEmpty, !old.outputs.contains(buffer), stacks[buffer] == nil else { return false }
    reached[buffer] = stack
    for id in readers[buffer] {
      let node = old.nodes[id]
      guard node.operands.count(where: { $0 == buffer }) == 1, node.operands[0] == buffer,
        let kernel = node.kernel, let axis = kernel.operands[0].axis(along: stack.dimension)
      else { return false }
      let weights = kernel.form == .contract ? old.buffers[node.operands[1]].constant : nil
      guard kernel.stacking(axis, stack, weights != nil) != nil else { return false }
      if kernel.form == .contract {
        guard kernel.accumulation == .integer, weights != nil, kernel.axes[axis].role == .reduce else {
          return false
        }
      } else {
        guard case .reduce = kernel.form, let place = kernel.axes(.parallel).firstIndex(of: axis),
          readsAll(of: node.result, Stack(dimension: place, parts: stack.parts), &reached)
        else { return false }
      }
    }
    return true
  }

  /// Whether the kernel that makes a value can make it as a stack.
  private func makes(_ buffer: BufferID, _ stack: Stack) -> Bool {
    guard !old.outputs.contains(buffer),
      let kernel = old.nodes.ids.first(where: { old.nodes[$0].result == buffer })
        .flatMap({ old.nodes[$0].kernel }), !kernel.isCopy
    else { return false }
    return kernel.stacking(kernel.axes(.parallel)[stack.dimension], stack, false) != nil
  }

  // MARK: What becomes of them

  mutating func run() -> KernelGraph {
    for id in old.buffers.ids where old.buffers[id].definition != .result {
      ids[id] = new.buffers.append(old.buffers[id])
    }
    for id in old.nodes.ids { append(old.nodes[id]) }
    new.outputs = old.outputs.map { ids[$0] }
    return new
  }

  private mutating func append(_ node: KernelNode) {
    let name = old.buffers[node.result].name
    guard var kernel = node.kernel else {
      let shape = old.buffers[node.result].type.shape
      ids[node.result] = new.view(
        plain(node.operands[0], node), shape, node: node.name, sources: node.sources, name: name)
      return
    }
    var operands: [BufferID] = []
    if let stack = stacks[node.result], kernel.concatenated != nil, stack.parts > 1 {
      operands = node.operands.map { stacked($0, Stack(dimension: stack.dimension, parts: 1), node) }
      kernel = kernel.stack(along: stack.dimension, operands.map { new.buffers[$0].type })
    } else {
      operands = node.operands.indices.map { index in
        let buffer = node.operands[index]
        guard index == 0, let stack = stacks[buffer], stack.parts > 1 else { return plain(buffer, node) }
        return stackIDs[buffer]
      }
      if let stack = node.operands.first.flatMap({ stacks[$0] }), stack.parts > 1,
        let axis = kernel.operands[0].axis(along: stack.dimension),
        let split = kernel.stacking(axis, stack, kernel.form == .contract)
      {
        kernel = split
        if kernel.form == .contract { operands[1] = reshaped(operands[1], kernel.operands[1].type.shape) }
      }
      if let stack = stacks[node.result], stack.parts == 1,
        let split = kernel.stacking(kernel.axes(.parallel)[stack.dimension], stack, false)
      {
        kernel = split
      }
    }
    let result = new.kernel(kernel, operands, node: node.name, sources: node.sources, name: name)
    if stacks[node.result] == nil { ids[node.result] = result } else { stackIDs[node.result] = result }
  }

  /// A value in the shape that it had, for a node that reads it.
  private mutating func plain(_ buffer: BufferID, _ reader: KernelNode) -> BufferID {
    if ids[buffer].isNone {
      ids[buffer] = new.view(
        stackIDs[buffer], old.buffers[buffer].type.shape, node: reader.name, sources: reader.sources)
    }
    return ids[buffer]
  }

  private mutating func stacked(_ buffer: BufferID, _ stack: Stack, _ reader: KernelNode) -> BufferID {
    if stacks[buffer] == stack { return stackIDs[buffer] }
    return new.view(
      plain(buffer, reader), stack.shape(old.buffers[buffer].type.shape), node: reader.name,
      sources: reader.sources)
  }

  private mutating func reshaped(_ buffer: BufferID, _ shape: [Int]) -> BufferID {
    guard let tensor = try? new.buffers[buffer].constant?.reshaped(shape) else { return buffer }
    return new.constant(tensor, name: new.buffers[buffer].name)
  }
}

extension Operand {
  /// The axis that a dimension moves with, if with one alone and one to one, and no other dimension does.
  fileprivate func axis(along dimension: Int) -> AxisID? {
    guard let term = maps[dimension].terms.first, maps[dimension] == .axis(term.axis),
      maps.count(where: { $0.coefficient(of: term.axis) != 0 }) == 1
    else { return nil }
    return term.axis
  }
}

extension Kernel {
  /// The kernel with an axis as two, and so the dimensions of its operands that move with it. Nil where one cannot be.
  /// - Parameter hasWeights: whether operand 1 may change its shape; else none but operand 0 may move with the axis.
  fileprivate func stacking(_ axis: AxisID, _ stack: Stack, _ hasWeights: Bool) -> Kernel? {
    let extent = axes[axis].extent / stack.parts
    guard axes[axis].extent % stack.parts == 0 else { return nil }
    var result = Kernel(form, element)
    (result.post, result.tables) = (post, tables)
    var moved: [AxisID: AxisID] = [:]
    var part: AxisID?
    for id in axes.ids {
      if id == axis { part = result.axis("\(axes[id].name)p", stack.parts, axes[id].role) }
      moved[id] = result.axis(axes[id].name, id == axis ? extent : axes[id].extent, axes[id].role)
    }
    guard let part, let inner = moved[axis] else { return nil }
    for (index, old) in operands.enumerated() {
      var operand = old
      operand.maps = old.maps.map { $0.substituting { .axis(moved[$0] ?? inner) } }
      if stack.parts > 1, old.maps.contains(where: { $0.coefficient(of: axis) != 0 }) {
        guard index == 0 || (index == 1 && hasWeights),
          let dimension = old.maps.firstIndex(where: { $0.coefficient(of: axis) != 0 }),
          old.axis(along: dimension) == axis, old.type.shape[dimension] == axes[axis].extent
        else { return nil }
        operand.maps.replaceSubrange(dimension...dimension, with: [.axis(part), .axis(inner)])
        let shape = Stack(dimension: dimension, parts: stack.parts).shape(old.type.shape)
        operand.type = TensorType(old.type.element, shape)
      }
      result.operands.append(operand)
    }
    return result
  }

  /// A concatenation as the stack of its parts, in which every part has one index.
  fileprivate func stack(along dimension: Int, _ types: [TensorType]) -> Kernel {
    var result = Kernel(form, element)
    let shape = Stack(dimension: dimension, parts: operands.count).shape(self.result.shape)
    let ids = shape.enumerated().map { result.axis("d\($0)", $1) }
    let count = operands[0].type.shape[dimension]
    for (old, type) in zip(operands, types) {
      let part = old.box[dimension].lowerBound / count
      var box = shape.map { 0..<$0 }
      box[dimension] = part..<(part + 1)
      var maps = ids.map { AffineMap.axis($0) }
      maps[dimension].offset = -part
      result.operands.append(Operand(type, maps, box: box))
    }
    return result
  }
}
