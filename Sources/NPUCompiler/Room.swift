import KernelIR
import Support

extension KernelGraph {
  /// How far readers reach, per dimension of a buffer, beyond the block that belongs to theirs: before its first
  /// coordinate and behind its last.
  func rooms() -> SideTable<BufferID, [(before: Int, behind: Int)]> {
    var rooms = SideTable<BufferID, [(before: Int, behind: Int)]>(default: [])
    for id in nodes.ids {
      guard let kernel = nodes[id].kernel, !kernel.isCopy else { continue }
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
    return rooms
  }
}
