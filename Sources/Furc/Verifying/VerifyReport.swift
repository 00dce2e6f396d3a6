import Support

extension Verification {
  /// The keys of `furc verify --json`, in order.
  public var json: JSON {
    let ratios = sqnr.map { JSON.Member($0.output, .number($0.decibels, decimals: 2)) }
    var members: [JSON.Member] = [
      .init("bit_exact", .bool(isBitExact)), .init("differing_bytes", .integer(differingBytes)),
      .init("predicted_cycles", .integer(Int(predictedCycles))),
      .init("executed_cycles", .integer(Int(executedCycles))),
      .init(
        "checker",
        .object([
          .init("clean", .bool(isClean)),
          .init("findings", .array(checkerFindings.map { .string("\($0)") })),
        ])),
      .init("sqnr_db", .object(ratios)),
      .init("top1_agreement", topOneAgreement.map { .number($0, decimals: 6) } ?? .null),
      .init(
        "accuracy",
        accuracy.map {
          .object([
            .init("float", .number($0.float, decimals: 6)),
            .init("quantized", .number($0.quantized, decimals: 6)), .init("rows", .integer($0.rows)),
          ])
        } ?? .null),
    ]
    let runs = modes.map { mode in
      JSON.object([
        .init("mode", .string(mode.name)), .init("samples", .integer(mode.samples)),
        .init("differing_bytes", .integer(mode.differingBytes)),
      ])
    }
    members.append(.init("runs", .array(runs)))
    if !layers.isEmpty { members.append(.init("layers", .array(layers.map(\.json)))) }
    members.append(.init("failures", .array(failures.map { .string($0.message) })))
    return .object(members)
  }

  /// The same for people.
  public var lines: [String] {
    var lines = modes.map { mode in
      "interpreter    \(mode.name): \(mode.samples) inputs, \(mode.differingBytes) differing bytes"
    }
    lines.append("bit_exact      \(isBitExact)")
    lines.append("cycles         predicted \(predictedCycles), executed \(executedCycles)")
    lines.append("load cycles    predicted \(predictedLoadCycles), executed \(executedLoadCycles)")
    lines.append("checker        \(isClean ? "clean" : "\(checkerFindings.count) findings")")
    for (output, ratio) in sqnr { lines.append("sqnr           \(output): \(decibels(ratio))") }
    if let topOneAgreement { lines.append("top-1 agrees   \(fixed(topOneAgreement * 100, 2)) %") }
    if let accuracy {
      lines.append(
        "accuracy       float \(fixed(accuracy.float * 100, 2)) %, quantized \(fixed(accuracy.quantized * 100, 2)) % of "
          + "\(accuracy.rows) rows")
    }
    lines += layers.lines
    lines.append("verified       \(passed ? "yes" : "NO")")
    return lines
  }
}
