import KernelIR
import Support
import Tensors

extension KernelGraph {
  /// How far readers reach, per dimension of a buffer, beyond the block that belongs to theirs: before its first
  /// coordinate and behind its last.
  func rooms(
    _ joinings: SideTable<BufferID, Joining?>
  ) -> SideTable<BufferID, [(before: Int, behind: Int)]> {
    var rooms = SideTable<BufferID, [(before: Int, behind: Int)]>(default: [])
    for id in nodes.ids.reversed() {
      if nodes[id].kernel == nil {
        rooms[nodes[id].operands[0]] = rooms[nodes[id].operands[0]].joined(
          rooms[nodes[id].result].seen(
            from: buffers[nodes[id].result].type.shape, in: buffers[nodes[id].operands[0]].type.shape))
        continue
      }
      guard let kernel = nodes[id].kernel else { continue }
      if let sources = kernel.transposition, !rooms[nodes[id].result].isEmpty {
        var wanted = kernel.operands[0].type.shape.map { _ in (before: 0, behind: 0) }
        for (source, room) in zip(sources, rooms[nodes[id].result]) {
          if let source { wanted[source] = room }
        }
        rooms[nodes[id].operands[0]] = rooms[nodes[id].operands[0]].joined(wanted)
      }
      guard !kernel.isCopy else { continue }
      for (operand, buffer) in zip(kernel.operands, nodes[id].operands)
      where buffers[buffer].constant == nil {
        var wanted = rooms[buffer]
        if wanted.isEmpty { wanted = operand.maps.map { _ in (0, 0) } }
        for (index, map) in operand.maps.enumerated() {
          let own = map.terms.filter { kernel.axes[$0.axis].role == .parallel }
          guard own.count == 1, map.terms.count > 1 else { continue }
          var (low, high) = (map.offset, map.offset)
          for term in map.terms where kernel.axes[term.axis].role != .parallel {
            let reach = term.coefficient * (kernel.axes[term.axis].extent - 1)
            low += min(reach, 0)
            high += max(reach, 0)
          }
          wanted[index].before = max(wanted[index].before, -low)
          wanted[index].behind = max(wanted[index].behind, high - (own[0].coefficient - 1))
        }
        rooms[buffer] = wanted
      }
    }
    // Parts of a concatenation may lie in its tile.
    for (buffer, joining) in zip(buffers.ids, buffers.ids.map { joinings[$0] }) {
      guard let joining, !rooms[buffer].isEmpty else { continue }
      var wanted = rooms[buffer]
      wanted[joining.dimension] = (0, 0)
      rooms[joining.target] = rooms[joining.target].joined(wanted)
    }
    return rooms
  }
}

extension [(before: Int, behind: Int)] {
  fileprivate func joined(_ other: Self) -> Self {
    guard !isEmpty, !other.isEmpty else { return isEmpty ? other : self }
    return zip(self, other).map { (Swift.max($0.before, $1.before), Swift.max($0.behind, $1.behind)) }
  }

  /// The same of a view's operand: where one of its dimensions with some behind it became one dimension, in whole steps of
  /// those behind; empty where dimensions are others.
  fileprivate func seen(from view: [Int], in shape: [Int]) -> Self {
    guard !isEmpty else { return [] }
    var result = shape.map { _ in (before: 0, behind: 0) }
    var place = 0
    for (extent, room) in zip(view, self) where extent > 1 {
      while place < shape.count, shape[place] == 1 { place += 1 }
      guard place < shape.count else { return [] }
      let first = place
      var (product, inner) = (shape[place], 1)
      place += 1
      while product < extent, place < shape.count {
        product *= shape[place]
        inner *= shape[place]
        place += 1
      }
      guard product == extent else { return [] }
      result[first] = ((room.before + inner - 1) / inner, (room.behind + inner - 1) / inner)
    }
    return result
  }
}
