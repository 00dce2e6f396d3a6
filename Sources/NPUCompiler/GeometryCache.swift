import KernelIR
import Support
import Synchronization

/// Geometries of a kernel that do not depend on where its operands lie. Searches of one graph share them.
final class GeometryCache: Sendable {
  struct Key: Hashable {
    enum Kind: Hashable {
      case fresh(startsWithFewTiles: Bool, countsHalos: Bool)
      case slicing
    }

    var kind: Kind
    var kernel: BufferID
    var limit: Int
  }

  private let found = Mutex<[Key: [Geometry]]>([:])

  /// What `make` gives, once per key; two searches that ask at the same time may both make it.
  func geometries(_ key: Key, make: () -> [Geometry]) -> [Geometry] {
    if let known = found.withLock({ $0[key] }) { return known }
    let made = make()
    found.withLock { $0[key] = made }
    return made
  }
}
