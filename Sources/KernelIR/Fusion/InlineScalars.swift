import Support
import Tensors

extension KernelGraph {
  /// The graph with constants of one element as immediates of the programs that read them. Same bytes: the
  /// element is loaded here as a run would load it.
  func inliningScalars() -> KernelGraph {
    var graph = self
    for id in nodes.ids {
      guard let kernel = nodes[id].kernel, !kernel.isCopy else { continue }
      let (inlined, operands) = kernel.inliningScalars(nodes[id].operands) { buffers[$0].constant }
      guard operands.count < nodes[id].operands.count else { continue }
      graph.nodes[id].body = .kernel(inlined)
      graph.nodes[id].operands = operands
    }
    return graph
  }
}

extension Kernel {
  /// The kernel without the operands of its post-program that are constants of one element; one operand stays.
  /// - Parameter arguments: the buffers of the operands. - Returns: the arguments that are left.
  fileprivate func inliningScalars(
    _ arguments: [BufferID], _ constant: (BufferID) -> Tensor?
  ) -> (Kernel, [BufferID]) {
    var scalars: [Int: Program.Step] = [:]
    for index in operands.indices.dropFirst(formOperandCount) {
      let operand = operands[index]
      guard operand.outside == .never, operand.type.shape.allSatisfy({ $0 == 1 }),
        let step = constant(arguments[index])?.immediate
      else { continue }
      scalars[index] = step
    }
    if scalars.count == operands.count { scalars[0] = nil }
    guard !scalars.isEmpty else { return (self, arguments) }
    let left = operands.indices.filter { scalars[$0] == nil }
    var places = [Int](repeating: -1, count: operands.count)
    for (place, index) in left.enumerated() { places[index] = place }

    var kernel = self
    kernel.operands = left.map { operands[$0] }
    var renamed = SideTable<Register, Register>(default: .none)
    kernel.post = Program { program in
      for register in post.steps.ids {
        if case .operand(let index) = post.steps[register], let step = scalars[index] {
          let value = program.append(step)
          // The verifier types operands after their pre-programs, so those come along.
          let pre = operands[index].pre
          renamed[register] = pre.isIdentity ? value : program.append(pre, input: value)
        } else {
          renamed[register] = program.append(
            post.steps[register].mapping(registers: { renamed[$0] }, operand: { places[$0] }))
        }
      }
      return renamed[post.result]
    }
    return (kernel, left.map { arguments[$0] })
  }
}

extension Tensor {
  /// The only element as a step, or nil for types that fit no register.
  fileprivate var immediate: Program.Step? {
    guard element.fitsRegister, count == 1, let address = bytes.baseAddress else { return nil }
    return element.isFloat
      ? .float(element.loadFloat(address).bitPattern) : .integer(element.loadInteger(address))
  }
}
