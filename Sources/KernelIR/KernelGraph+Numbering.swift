import Support

extension KernelGraph {
  /// The same graph in canonical numbering, K14: inputs, constants, results. Nodes keep their order.
  public var canonical: KernelGraph {
    renumbered { _ in
      true
    } keepsBuffer: { _ in
      true
    }
  }

  /// Without the nodes that no output depends on, and without constants that nothing reads, in canonical
  /// numbering. Inputs stay.
  public var withoutDeadNodes: KernelGraph {
    var isLive = SideTable<BufferID, Bool>(default: false)
    for output in outputs { isLive[output] = true }
    for id in nodes.ids.reversed() where isLive[nodes[id].result] {
      for operand in nodes[id].operands { isLive[operand] = true }
    }
    return renumbered {
      isLive[nodes[$0].result]
    } keepsBuffer: {
      isLive[$0] || buffers[$0].definition == .input
    }
  }

  /// - Precondition: K10 and K11; what is kept reads only what is kept.
  private func renumbered(
    keepsNode: (KernelID) -> Bool, keepsBuffer: (BufferID) -> Bool
  ) -> KernelGraph {
    var copy = KernelGraph(name: name)
    var renamed = SideTable<BufferID, BufferID>(default: .none)
    for id in buffers.ids where buffers[id].definition == .input && keepsBuffer(id) {
      renamed[id] = copy.buffers.append(buffers[id])
    }
    for id in buffers.ids where buffers[id].constant != nil && keepsBuffer(id) {
      renamed[id] = copy.buffers.append(buffers[id])
    }
    for id in nodes.ids where keepsNode(id) {
      let node = nodes[id]
      renamed[node.result] = copy.buffers.append(buffers[node.result])
      copy.nodes.append(
        KernelNode(
          name: node.name, sources: node.sources, body: node.body,
          operands: node.operands.map { renamed[$0] },
          result: renamed[node.result]))
    }
    copy.outputs = outputs.map { renamed[$0] }
    return copy
  }
}
