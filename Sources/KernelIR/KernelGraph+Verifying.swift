import Support
import Tensors

/// What a graph of kernels must satisfy beside K1…K9 of each kernel:
/// - **K10** Every id that a node, an output or the text names exists.
/// - **K11** Every operand is defined before its use; every result by exactly one node.
/// - **K12** Operands and result of a node have the types that its kernel states.
/// - **K13** A view has one operand, of the element type and the number of elements of its result.
/// - **K14** Canonical numbering: inputs, constants, then the results in the order of their nodes.
/// - **K15** Constants have the type of their buffer; types are bounded; inputs have names, each once.
/// - **K16** Sources of a node ascend.
extension KernelGraph {
  /// The first violation.
  public func verified() throws(Diagnostic) {
    if let first = verify().first { throw first }
  }

  /// All violations, as `invalidKernel` at their node. Later rules are not checked where they would need
  /// broken ones.
  public func verify() -> [Diagnostic] {
    var findings: [Diagnostic] = []
    identifiers(&findings)
    guard findings.isEmpty else { return findings }
    numbering(&findings)
    constantsAndInputs(&findings)
    for id in nodes.ids { verify(id, &findings) }
    return findings
  }

  private func identifiers(_ findings: inout [Diagnostic]) {
    for id in nodes.ids {
      if let bad = (nodes[id].operands + [nodes[id].result]).first(where: { !buffers.contains($0) }) {
        findings.append(finding(id, "K10: there is no buffer \(bad)"))
      }
    }
    for output in outputs where !buffers.contains(output) {
      findings.append(Diagnostic(.invalidKernel, "K10: output \(output) does not exist"))
    }
  }

  private func numbering(_ findings: inout [Diagnostic]) {
    var definition = SideTable<BufferID, KernelID>(default: .none)
    for id in nodes.ids {
      let result = nodes[id].result
      if buffers[result].definition != .result || !definition[result].isNone {
        findings.append(finding(id, "K11: \(result) is defined elsewhere too"))
      }
      definition[result] = id
      for operand in nodes[id].operands
      where buffers[operand].definition == .result && (definition[operand].isNone || operand == result) {
        findings.append(finding(id, "K11: \(operand) is not defined before its use"))
      }
    }
    var last = (section: 0, node: 0)
    for id in buffers.ids {
      let key: (section: Int, node: Int)
      switch buffers[id].definition {
      case .input: key = (0, 0)
      case .constant: key = (1, 0)
      case .result: key = (2, definition[id].isNone ? .max : definition[id].index)
      }
      if key.section == 2, definition[id].isNone {
        findings.append(Diagnostic(.invalidKernel, "K11: \(id) is not defined"))
      } else if key < last {
        findings.append(Diagnostic(.invalidKernel, "K14: \(id) is numbered out of order"))
      }
      last = key
    }
  }

  private func constantsAndInputs(_ findings: inout [Diagnostic]) {
    var names: Set<String> = []
    for id in buffers.ids {
      let buffer = buffers[id]
      if let tensor = buffer.constant, tensor.type != buffer.type {
        findings.append(
          Diagnostic(.invalidKernel, "K15: \(id) is \(buffer.type), its constant \(tensor.type)"))
      }
      if buffer.type.shape.contains(where: { $0 < 0 }) || (try? buffer.type.byteCount()) == nil {
        findings.append(Diagnostic(.invalidKernel, "K15: \(buffer.type) of \(id) is not a bounded type"))
      }
      if buffer.definition == .input, buffer.name.isEmpty || !names.insert(buffer.name).inserted {
        findings.append(
          Diagnostic(.invalidKernel, "K15: input \(id) has no name of its own: '\(buffer.name)'"))
      }
    }
  }

  private func verify(_ id: KernelID, _ findings: inout [Diagnostic]) {
    let node = nodes[id]
    let operands = node.operands.map { buffers[$0].type }
    let result = buffers[node.result].type
    switch node.body {
    case .view:
      let counts = (operands + [result]).map { try? $0.elementCount() }
      if operands.count != 1 || operands[0].element != result.element || counts[0] == nil
        || counts[0] != counts[1]
      {
        let types = operands.map(\.description).joined(separator: ", ")
        findings.append(finding(id, "K13: \(result) is not a view of \(types)"))
      }
    case .kernel(let kernel):
      let stated = kernel.operands.map(\.type)
      if operands != stated || result != kernel.result {
        let types = (operands + [result]).map(\.description).joined(separator: ", ")
        findings.append(finding(id, "K12: the kernel does not state the types of its buffers: \(types)"))
      }
      findings += kernel.verify().map { $0.located(at: location(of: id)) }
    }
    if zip(node.sources, node.sources.dropFirst()).contains(where: >=) {
      findings.append(finding(id, "K16: sources \(node.sources) do not ascend"))
    }
  }

  /// For diagnostics.
  public func location(of id: KernelID) -> Diagnostic.Location {
    .node(index: id.index, op: nodes[id].kernel?.form.name ?? "view", name: nodes[id].name)
  }

  private func finding(_ id: KernelID, _ message: String) -> Diagnostic {
    Diagnostic(.invalidKernel, at: location(of: id), message)
  }
}
