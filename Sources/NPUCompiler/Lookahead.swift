import KernelIR
import Machine
import NPUISA
import Support
import Tensors

/// The nodes that read a value, and for each node the values that are alive behind it.
struct Readers {
  private var readers = SideTable<BufferID, [KernelNode]>(default: [])
  /// By node, in order: other values than its result that are read later.
  private(set) var live: [[BufferID]] = []

  init(_ graph: KernelGraph) {
    let ids = Array(graph.nodes.ids)
    var last = SideTable<BufferID, Int>(default: -1)
    for (number, id) in ids.enumerated() {
      for operand in graph.nodes[id].operands { last[operand] = number }
      for operand in Set(graph.nodes[id].operands).sorted() { readers[operand].append(graph.nodes[id]) }
    }
    var open: [BufferID] = []
    for (number, id) in ids.enumerated() {
      open.removeAll { last[$0] <= number }
      live.append(open)
      open.append(graph.nodes[id].result)
    }
  }

  subscript(buffer: BufferID) -> [KernelNode] { readers[buffer] }

  /// What is read together with a value.
  func beside(_ buffer: BufferID) -> [BufferID] {
    Set(readers[buffer].flatMap(\.operands)).subtracting([buffer]).sorted()
  }
}

extension ProgramCompiler {
  /// Ticks of copies that are sure to come if a value lies so: where a reader cannot take it as it lies, or cannot take it
  /// together with what it reads beside it.
  func foreseenTicks(_ buffer: BufferID, _ placement: Placement, _ readers: Readers) -> Int {
    guard placement.memory == .sram else { return 0 }
    return readers[buffer].reduce(0) { $0 + foreseenTicks(buffer, placement, $1) }
  }

  private func foreseenTicks(_ buffer: BufferID, _ placement: Placement, _ node: KernelNode) -> Int {
    guard let kernel = node.kernel else { return 0 }
    let isForm = kernel.form == .contract
    switch kernel.form {
    case .gather, .scatter: return 0
    case .contract, .map, .move, .reduce: break
    }
    var own: [Geometry] = []
    var others: [(geometries: [Geometry], placement: Placement)] = []
    for (index, operand) in node.operands.enumerated() {
      let geometries = { lying in
        kernel.form == .move
          ? movingGeometries(kernel.operands[index], lying, kernel)
          : matching(kernel.operands[index], lying, kernel, isForm: isForm && index < 2)
      }
      if operand == buffer {
        own += geometries(placement)
      } else if graph.buffers[operand].constant == nil, let other = homes[operand]?.placement,
        other.memory == .sram
      {
        others.append((geometries(other), other))
      }
    }
    guard !own.isEmpty else { return copyTicks(placement) }
    var ticks = 0
    for other in others where !other.geometries.isEmpty {
      let agree = other.geometries.contains { lying in own.contains { $0.leavesLike(lying) } }
      if !agree { ticks = max(ticks, min(copyTicks(placement), copyTicks(other.placement))) }
    }
    return ticks
  }

  /// A copy of a value to another layout: runs of at most the innermost row, of which few are long.
  private func copyTicks(_ placement: Placement) -> Int {
    let size = placement.element.size
    let row = placement.order.last.map { placement.dimensions[$0] }
    let run = min(max((row?.span ?? 1) * size, 1), 64)
    let bytes = placement.dimensions.reduce(size) { $0 * $1.extent }
    let cycles = bytes / run * 2 * machine.dmaRunCycles / machine.dmaEngines + machine.dmaStartupCycles
    return cycles * machine.ticksPerCycle
  }
}
