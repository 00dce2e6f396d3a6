extension Duration {
  /// The duration in seconds, to the precision of a Double.
  public var inSeconds: Double {
    let parts = components
    return Double(parts.seconds) + Double(parts.attoseconds) * 1e-18
  }
}
