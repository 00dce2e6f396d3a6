import KernelIR
import Machine
import Support
import Tensors

extension NPUCompiler {
  /// Why the target cannot run a kernel wherever it is placed, in half a sentence, or nil.
  public static func refusal(of node: KernelNode, in graph: KernelGraph, on machine: SliceMachine) -> String?
  {
    // As the compiler will see it: the node alone, with its operands as they are.
    var alone = KernelGraph(name: "")
    let operands = node.operands.map { operand in
      let buffer = graph.buffers[operand]
      return buffer.constant.map { alone.constant($0) } ?? alone.input(buffer.name, buffer.type)
    }
    guard let kernel = node.kernel else {
      return graph.buffers[node.result].type.element.fitsRegister
        ? nil : "an element type that fits no register"
    }
    alone.outputs = [alone.kernel(kernel, operands)]
    let legal = alone.legalised()
    for id in legal.nodes.ids {
      if let reason = obstacle(legal.nodes[id], in: legal, on: machine) { return reason }
    }
    return nil
  }

  private static func obstacle(_ node: KernelNode, in graph: KernelGraph, on machine: SliceMachine) -> String?
  {
    let types = node.operands.map { graph.buffers[$0].type } + [graph.buffers[node.result].type]
    if let type = types.first(where: { !$0.element.fitsRegister }) {
      return "\(type.element.rawValue) fits no register"
    }
    guard let kernel = node.kernel else { return nil }
    if case .scatter = kernel.form { return nil }
    guard kernel.axes.ids.allSatisfy({ kernel.axes[$0].extent > 0 || kernel.axes[$0].role == .parallel })
    else {
      return "a reduction over nothing"
    }
    switch kernel.form {
    case .contract:
      let elements = kernel.operands.prefix(2).map { $0.type.element.rawValue }
      // Four-bit and unsigned elements go through the same multipliers as i8.
      let names = kernel.operands.prefix(2).map {
        !$0.type.element.isFloat && $0.type.element.size == 1 ? "i8" : $0.type.element.rawValue
      }
      guard names.allSatisfy(machine.contractionTypes.contains) else {
        return
          "the tensor unit multiplies \(machine.contractionTypes.joined(separator: ", ")), not \(elements.joined(separator: " · "))"
      }
      let geometry = Geometry(kernel)
      let isConstant = node.operands.prefix(2).map { graph.buffers[$0].constant != nil }
      guard Contraction(geometry, isConstant: isConstant, machine) != nil else {
        return
          "operands of a contraction may only subtract a zero point, and one of them may leave its bounds"
      }
      return bounds(kernel, Array(kernel.operands.indices))
    case .reduce:
      let operand = kernel.operands[0]
      let isSimple =
        operand.pre.isIdentity || operand.pre.subtractedInteger != nil
        || operand.pre.tabulated(over: operand.type.element, kernel.tables) != nil
      guard isSimple else { return "the adapter has no table for a \(operand.type.element.rawValue) operand" }
      return bounds(kernel, Array(kernel.operands.indices))
    case .map:
      return bounds(kernel, Array(kernel.operands.indices))
    case .move, .gather, .scatter: return nil
    }
  }

  /// Vector operands stay inside; the streamed one has two bounded coordinates at most; tables have 256 entries.
  private static func bounds(_ kernel: Kernel, _ operands: [Int]) -> String? {
    let geometry = Geometry(kernel)
    var leaving: [Int] = []
    for index in operands {
      let operand = kernel.operands[index]
      let count = zip(operand.maps, operand.type.shape).count { geometry.leavesBounds($0, extent: $1) }
      if count > 2 { return "operand \(index) leaves \(count) bounds, the fetch has two" }
      if count > 0 { leaving.append(index) }
    }
    if kernel.form == .map
      ? leaving.count > 1 : leaving.contains(where: { $0 > 1 || ($0 == 1 && kernel.form != .contract) })
    {
      return "an operand of the program leaves its bounds"
    }
    if let table = kernel.tables.first(where: { $0.low != -128 || $0.entries.count != 256 }) {
      return "a table has \(table.entries.count) entries from \(table.low) on, slots have 256 from -128 on"
    }
    return nil
  }
}
