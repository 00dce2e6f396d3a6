/// All findings of a stage that collects them rather than stopping at the first.
public struct Diagnostics: Error, Equatable, Sendable {
  /// In the order of their finding; at least one is an error when thrown.
  public var items: [Diagnostic]

  public init(_ items: [Diagnostic] = []) { self.items = items }

  public var hasErrors: Bool { items.contains { $0.kind.severity == .error } }

  /// The exit status of the first error, 0 without one.
  public var exitStatus: Int32 { items.first { $0.kind.severity == .error }?.kind.exitStatus ?? 0 }
}

extension Diagnostics: CustomStringConvertible {
  /// One line per finding.
  public var description: String { items.map(\.description).joined(separator: "\n") }
}
