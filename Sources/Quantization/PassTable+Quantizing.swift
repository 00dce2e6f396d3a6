import Passes

extension PassTable {
  /// What runs before calibration: all of the table but `fuse-qdq`, so that ranges are those of fused and
  /// folded nodes.
  public var beforeQuantizing: PassTable {
    selecting(passes.map(\.name).filter { $0 != "fuse-qdq" })
  }

  /// What makes the canonical form of a graph that `quantized(by:)` gave.
  public var afterQuantizing: PassTable {
    selecting(["fuse-activation", "fuse-qdq", "eliminate-dead-nodes"])
  }
}
