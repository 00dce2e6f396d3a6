import Passes

extension PassTable {
  /// What runs before calibration: all of the table but `fuse-activation` and `fuse-qdq`, so that ranges are those of
  /// folded nodes whose weights and biases can still be changed; everything in f32.
  public var beforeQuantizing: PassTable {
    selecting(passes.map(\.name).filter { !["fuse-activation", "fuse-qdq"].contains($0) })
      .inserting(.widenHalves, after: "infer-shapes")
  }

  /// What makes the canonical form of a graph that `quantized(by:)` gave.
  public var afterQuantizing: PassTable {
    selecting(["fuse-activation", "fuse-qdq", "eliminate-dead-nodes"])
  }
}
