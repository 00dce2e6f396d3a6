import KernelIR
import Machine
import NPUISA
import Support
import Tensors

extension KernelGraph {
  /// The same results, with ends of programs that are functions of one 8-bit value (x · sigmoid(x), quantized) as tables, where the
  /// vector engines save more than the load of a table takes. It is for constants that are resident: to bring a table to every
  /// slice in each run takes longer.
  func tabulated(on machine: SliceMachine) -> KernelGraph {
    var graph = self
    for id in graph.nodes.ids {
      guard let kernel = graph.nodes[id].kernel, kernel.tables.isEmpty,
        kernel.vectorCycles(machine) > machine.issueSubCycles
      else { continue }
      let table = kernel.tabulated()
      guard table.tables.count == 1, table.tables[0].low == -128, table.tables[0].entries.count == 256
      else { continue }
      let products = kernel.macs / (machine.slices * machine.lanes * machine.packetBytes)
      let saved =
        max(kernel.vectorCycles(machine), products) - max(table.vectorCycles(machine), products)
      if saved > machine.issueSubCycles { graph.nodes[id].body = .kernel(table) }
    }
    return graph
  }
}

extension Kernel {
  /// Cycles of the vector engines of all slices.
  fileprivate func vectorCycles(_ machine: SliceMachine) -> Int {
    guard form == .contract || form == .map,
      let kinds = try? ProgramKinds(
        of: post, input: inputKind, operands: operands.map { try valueKind(of: $0) }, result: nil)
    else { return 0 }
    let flits = (elements + 8 * machine.slices - 1) / (8 * machine.slices)
    return flits * post.cyclesPerFlit(kinds, on: machine)
  }
}
