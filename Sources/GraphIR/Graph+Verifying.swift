import Support
import Tensors

extension Graph {
  /// Checks the invariants of GraphIR, which are these and no others:
  ///
  /// - **G1** Every id in `leaves`, `order`, `outputs` and the operand lists refers into its table, or is
  ///   `none` in an operand list.
  /// - **G2** Values are numbered as the text form defines them: the leaves, then the results of the nodes
  ///   in program order. Hence each is defined once, and `parse(print(graph)) == graph`.
  /// - **G3** A node's operands are defined before it.
  /// - **G4** A constant has the type of its value, and only leaves are inputs or constants.
  /// - **G5** The attributes of a node have different names.
  /// - **G6** A quantization fits its value: an integer or FP8 type, one scale or one per index of an axis
  ///   that exists, scales positive and finite, zero points within the type (0 for FP8).
  /// - **G7** No extent is negative, and no input or output shares its name with another.
  /// - **G8** Provenance is ascending and not negative.
  /// - **G9** Regions are graphs that satisfy all of this.
  ///
  /// Types and attributes are the operators' business: `OperatorSet.check`.
  public func verify() -> [Diagnostic] {
    var findings = VerifierFindings()
    let operands = pool.filter { !$0.isNone }
    let known =
      order.allSatisfy { nodes.contains($0) && wiring.contains($0) }
      && (leaves + outputs + operands).allSatisfy(values.contains)
    findings.require(known, "G1: an id has no entity")
    guard known else { return findings.all }
    verifyValues(&findings)
    for node in order { verify(node, &findings) }
    return findings.all
  }

  private func verifyValues(_ findings: inout VerifierFindings) {
    let defined = leaves + order.flatMap { results(of: $0) }
    findings.require(defined.elementsEqual(values.ids), "G2: values are defined in the order \(defined)")
    for id in values.ids {
      let value = values[id]
      findings.require((value.definition == .result) == (id.index >= leaves.count), "G4: \(id) is no leaf")
      let agrees = value.constant.map { ValueType($0.type) == value.type } ?? true
      findings.require(agrees, "G4: \(id) has another type than its constant")
      let fault = value.quantization?.fault(on: value.type)
      findings.require(fault == nil, "G6: \(id): \(fault ?? "")")
      let isNegative = value.type.shape.contains { $0.extent.map { $0 < 0 } ?? false }
      findings.require(!isNegative, "G7: \(id) has type \(value.type)")
    }
    for interface in [inputs, outputs] {
      let names = Set(interface).map { values[$0].name }.filter { !$0.isEmpty }
      findings.require(Set(names).count == names.count, "G7: names \(names.sorted()) repeat")
    }
  }

  private func verify(_ node: NodeID, _ findings: inout VerifierFindings) {
    let place = location(of: node)
    let first = results(of: node).first ?? .none
    let late = operands(of: node).filter { !$0.isNone && $0 >= first }
    findings.require(late.isEmpty, "G3: operands \(late) are defined later", at: place)
    let names = nodes[node].attributes.map(\.name)
    findings.require(Set(names).count == names.count, "G5: attribute names \(names) repeat", at: place)
    let sources = nodes[node].sources
    let isAscending = zip(sources, sources.dropFirst()).allSatisfy { $0 < $1 }
    findings.require(isAscending && (sources.first ?? 0) >= 0, "G8: provenance is \(sources)", at: place)
    for (index, region) in nodes[node].regions.enumerated() {
      for finding in region.verify() {
        findings.require(false, "G9: region \(index): \(finding.message)", at: place)
      }
    }
  }
}

/// What a verifier collects.
private struct VerifierFindings {
  private(set) var all: [Diagnostic] = []

  mutating func require(
    _ holds: Bool, _ found: @autoclosure () -> String, at place: Diagnostic.Location = .unknown
  ) {
    if !holds { all.append(Diagnostic(.invalidGraph, at: place, found())) }
  }
}
