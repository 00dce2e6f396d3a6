/// Which passes run, in which order, and what that order must respect.
public struct PassTable: Sendable {
  public struct Constraint: Sendable {
    public let first: String
    public let second: String
    public let reason: String

    public init(_ first: String, before second: String, _ reason: String) {
      self.first = first
      self.second = second
      self.reason = reason
    }
  }

  public let passes: [Pass]
  public let constraints: [Constraint]

  public init(_ passes: [Pass], constraints: [Constraint] = []) {
    self.passes = passes
    self.constraints = constraints
  }

  /// The index: a new pass is one file and its line here.
  public static let standard = PassTable(
    [
      .inferShapes,
      .foldConstants,
      .eliminateIdentities,
      .eliminateCommonSubexpressions,
      .foldBatchNormalization,
      .recognizeGelu,
      .recognizeLayerNorm,
      .recognizeRMSNorm,
      .recognizeSilu,
      .recognizeHardSwish,
      .sinkTransposes,
      .mergeReshapes,
      .fuseMatMulAdd,
      .fuseActivation,
      .eliminateClips,
      .fuseQDQ,
      .eliminateDeadNodes,
    ],
    constraints: [
      Constraint("infer-shapes", before: "fold-constants", "shape nodes fold where shapes are fixed"),
      Constraint(
        "fold-constants", before: "fold-batch-norm", "weights and parameters may be results of constants"),
      Constraint(
        "eliminate-identities", before: "fold-batch-norm", "an Identity may stand between Conv and norm"),
      Constraint(
        "fold-batch-norm", before: "fuse-activation", "a Conv that already applies Relu takes no norm"),
      Constraint(
        "fold-constants", before: "eliminate-common-subexpressions",
        "constants are compared where they were given or computed"),
      Constraint(
        "eliminate-common-subexpressions", before: "recognize-layer-norm",
        "a mean that is computed twice has users outside the pattern"),
      Constraint(
        "fold-constants", before: "recognize-gelu", "factors of a pattern may be results of constants"),
      Constraint(
        "recognize-layer-norm", before: "recognize-rms-norm",
        "a layer norm contains the quotient of the other"),
      Constraint(
        "recognize-silu", before: "fuse-qdq", "the product is one operator before it is quantized"),
      Constraint(
        "eliminate-identities", before: "sink-transposes", "an Identity may stand between two Transposes"),
      Constraint(
        "sink-transposes", before: "merge-reshapes",
        "a Transpose that becomes a Reshape cancels no other Transpose"),
      Constraint(
        "sink-transposes", before: "fuse-activation", "a Transpose may keep a Relu from the node before it"),
      Constraint(
        "merge-reshapes", before: "fuse-qdq", "reshapes merge while their values carry no quantization"),
      Constraint(
        "sink-transposes", before: "fuse-qdq", "layouts change while scales are operands"),
      Constraint("fuse-matmul-add", before: "fuse-activation", "the Relu behind the Add goes into the Gemm"),
      Constraint(
        "fuse-activation", before: "fuse-qdq", "the Relu between a Conv and its QuantizeLinear goes first"),
      Constraint(
        "eliminate-clips", before: "fuse-qdq", "a Clip between a Conv and its QuantizeLinear keeps them apart"
      ),
      Constraint(
        "fuse-qdq", before: "eliminate-dead-nodes", "fusing leaves DequantizeLinear nodes without users"),
      Constraint(
        "fold-constants", before: "eliminate-dead-nodes",
        "folding leaves the constants that it consumed without users"),
      Constraint(
        "merge-reshapes", before: "eliminate-dead-nodes", "merging leaves the shapes without users"),
    ])

  /// Passes that change more than how a graph is written, for those who ask for them.
  public static let optional: [Pass] = [.widenHalves, .dequantizeConstants]

  /// The same constraints over the named passes, in the order of the names; unknown names are dropped.
  public func selecting(_ names: [String]) -> PassTable {
    PassTable(names.compactMap { name in passes.first { $0.name == name } }, constraints: constraints)
  }

  /// The same with `pass` directly behind the pass `place`, or at the end where there is none of that name.
  public func inserting(_ pass: Pass, after place: String, constraints: [Constraint] = []) -> PassTable {
    var passes = passes
    let index = passes.firstIndex { $0.name == place }.map { $0 + 1 } ?? passes.endIndex
    passes.insert(pass, at: index)
    return PassTable(passes, constraints: self.constraints + constraints)
  }

  /// The same with the pass of that name replaced: by one with other settings.
  public func replacing(_ pass: Pass) -> PassTable {
    PassTable(passes.map { $0.name == pass.name ? pass : $0 }, constraints: constraints)
  }

  /// The constraints that the order breaks, and names that occur twice. A test holds this empty.
  public var violations: [String] {
    let names = passes.map(\.name)
    let repeated = Set(names).filter { name in names.count { $0 == name } > 1 }
    let broken = constraints.filter { constraint in
      guard let first = names.firstIndex(of: constraint.first) else { return false }
      return names[..<first].contains(constraint.second)
    }
    return repeated.sorted() + broken.map { "\($0.first) before \($0.second): \($0.reason)" }
  }
}
